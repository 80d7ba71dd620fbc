INSERT INTO audit_entries (
    event_id, event_type, task_id, user_id, task_version, event_time, record_time, before, after, trace_id
)
SELECT
    event_id, event_type, task_id, user_id, task_version, event_time, record_time, NULLIF(before, '')::json,
    after::json, NULLIF(trace_id, '')
FROM unnest(
    $1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[], $9::text[],
    $10::text[]
) AS entries (
    event_id, event_type, task_id, user_id, task_version, event_time, record_time, before, after, trace_id
)
ORDER BY event_id
ON CONFLICT (event_id) DO NOTHING
