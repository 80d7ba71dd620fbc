UPDATE deliveries
SET state = told.state,
    wake_time = CASE WHEN NOT told.ended THEN told.wake_time END,
    postponed = deliveries.postponed OR told.postponed,
    reason = coalesce(told.reason, deliveries.reason),
    finish_time = CASE WHEN told.ended THEN told.time END
FROM (
    SELECT
        unhex(value ->> 'delivery_id') AS delivery_id, value ->> 'attempts' AS attempts, value ->> 'state' AS state,
        value ->> 'ended' AS ended, value ->> 'wake_time' AS wake_time, value ->> 'postponed' AS postponed,
        value ->> 'reason' AS reason, value ->> 'time' AS time
    FROM json_each($1)
) AS told
WHERE deliveries.delivery_id = told.delivery_id
    AND deliveries.state = 'SENDING'
    AND deliveries.attempts = told.attempts
RETURNING delivery_id
