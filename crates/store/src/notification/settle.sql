-- Settles attempts. Before that it locks every message of the same subjects, all in the order of ids: of two who settle the
-- last messages of a firing, the second waits here, and reads then, with the lock, that it is the last. Answers the messages
-- that it settled, and beside them the others of those firings of which one has come to its end.
WITH told AS (
    SELECT *
    FROM unnest(
        $1::uuid[], $2::integer[], $3::text[], $4::boolean[], $5::bigint[], $6::boolean[], $7::text[], $8::bigint[]
    ) AS told (delivery_id, attempts, state, ended, wake_time, postponed, reason, time)
), locked AS MATERIALIZED (
    SELECT
        delivery_id, kind, subject, channel, user_id, task_id, reminder_id, title, content, traceparent, tracestate,
        remind_time, state, attempts, wake_time, postponed, reason, create_time, finish_time
    FROM deliveries
    WHERE subject = ANY (ARRAY(SELECT subject FROM deliveries WHERE delivery_id = ANY ($1::uuid[])))
    ORDER BY delivery_id
    FOR UPDATE
), settled AS (
    UPDATE deliveries
    SET state = told.state,
        wake_time = CASE WHEN NOT told.ended THEN told.wake_time END,
        postponed = deliveries.postponed OR told.postponed,
        reason = coalesce(NULLIF(told.reason, ''), deliveries.reason),
        finish_time = CASE WHEN told.ended THEN told.time END
    FROM told
    -- About no row, and so it is answered before the first is touched.
    WHERE (SELECT count(*) FROM locked) > 0
        AND deliveries.delivery_id = told.delivery_id
        AND deliveries.delivery_id = ANY ($1::uuid[])
        AND deliveries.state = 'SENDING'
        AND deliveries.attempts = told.attempts
    RETURNING
        deliveries.delivery_id, kind, subject, channel, user_id, task_id, reminder_id, title, content, traceparent,
        tracestate, remind_time, deliveries.state, deliveries.attempts, deliveries.wake_time, deliveries.postponed,
        deliveries.reason, create_time, finish_time
)
SELECT settled.*, TRUE AS known FROM settled
UNION ALL
-- IS TRUE, so that what was settled is hashed.
SELECT locked.*, FALSE
FROM locked
WHERE (
    subject IN (SELECT subject FROM settled WHERE finish_time IS NOT NULL AND reminder_id IS NOT NULL)
    AND delivery_id NOT IN (SELECT delivery_id FROM settled)
) IS TRUE
