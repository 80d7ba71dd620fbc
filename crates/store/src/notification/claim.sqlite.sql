-- Claims what was seen to be due, as far as nobody was faster.
UPDATE deliveries
SET state = 'SENDING', attempts = deliveries.attempts + 1, wake_time = $2
FROM (
    SELECT unhex(value ->> 'delivery_id') AS delivery_id, value ->> 'attempts' AS attempts FROM json_each($1)
) AS due
WHERE deliveries.delivery_id = due.delivery_id AND deliveries.attempts = due.attempts AND deliveries.wake_time <= $3
RETURNING delivery_id
