-- Claims what is due, of each channel so much: each channel is one look into the index, which passes over what others
-- are about to claim.
WITH due AS MATERIALIZED (
    SELECT rows.delivery_id, rows.wake_time, rows.state
    FROM unnest($1::text[], $2::bigint[]) AS wanted (channel, most)
    CROSS JOIN LATERAL (
        SELECT delivery_id, wake_time, state
        FROM deliveries
        WHERE channel = wanted.channel AND wake_time <= $3::bigint
        ORDER BY wake_time, delivery_id
        LIMIT wanted.most
        FOR UPDATE SKIP LOCKED
    ) AS rows
)
UPDATE deliveries
SET state = 'SENDING', attempts = attempts + 1, wake_time = $4::bigint
FROM due
WHERE deliveries.delivery_id = due.delivery_id
    -- Says it once more, for the planner: an array is looked up, where a join might read the whole ledger.
    AND deliveries.delivery_id = ANY (ARRAY(SELECT delivery_id FROM due))
RETURNING
    deliveries.delivery_id, kind, subject, channel, user_id, task_id, reminder_id, title, content, traceparent, tracestate,
    remind_time, deliveries.state, attempts, deliveries.wake_time, postponed, reason, create_time, finish_time,
    due.state = 'SENDING' AS was_sending, due.wake_time AS due_time
