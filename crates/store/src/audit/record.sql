-- Behind inbox/begin.sql: stores the entries of the events that it begins, and of those that are published again for the log
-- alone.
INSERT INTO audit_entries (
    event_id, event_type, task_id, user_id, task_version, event_time, record_time, before, after, trace_id
)
SELECT
    event_id, event_type, task_id, user_id, task_version, event_time, record_time, NULLIF(before, '')::json,
    after::json, NULLIF(trace_id, '')
FROM unnest(
    $8::uuid[], $9::text[], $10::uuid[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[], $15::text[],
    $16::text[], $17::text[], $18::boolean[]
) AS entries (
    event_id, event_type, task_id, user_id, task_version, event_time, record_time, before, after, trace_id, refills
)
-- IS TRUE, so that what has begun is hashed. It comes first, so that the inbox is written before the log, as by everybody.
WHERE (event_id IN (SELECT event_id FROM begun) OR refills) IS TRUE
ORDER BY event_id
ON CONFLICT (event_id) DO NOTHING
