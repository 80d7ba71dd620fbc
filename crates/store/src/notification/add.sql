INSERT INTO deliveries (
    delivery_id, kind, subject, channel, user_id, task_id, reminder_id, title, content, traceparent, tracestate,
    remind_time, state, attempts, wake_time, postponed, create_time
)
SELECT
    delivery_id, kind, subject, channel, user_id, NULLIF(task_id, '00000000-0000-0000-0000-000000000000'::uuid),
    NULLIF(reminder_id, '00000000-0000-0000-0000-000000000000'::uuid), title, content::json, NULLIF(traceparent, ''),
    NULLIF(tracestate, ''), remind_time, 'PENDING', 0, wake_time, postponed, create_time
FROM unnest(
    $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::uuid[], $8::text[], $9::text[],
    $10::text[], $11::text[], $12::bigint[], $13::bigint[], $14::boolean[], $15::bigint[]
) AS added (
    delivery_id, kind, subject, channel, user_id, task_id, reminder_id, title, content, traceparent, tracestate,
    remind_time, wake_time, postponed, create_time
)
-- A look into an index for each, however large the ledger is: a join might read all of it.
WHERE (SELECT count(*) FROM deliveries AS known WHERE known.subject = added.subject) = 0
-- Sorted, so that two who add the same do not wait for each other in a circle.
ORDER BY subject, channel
ON CONFLICT (subject, channel) DO NOTHING
RETURNING subject
