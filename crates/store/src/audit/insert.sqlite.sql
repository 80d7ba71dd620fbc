INSERT INTO audit_entries (
    event_id, event_type, task_id, user_id, task_version, event_time, record_time, before, after, trace_id
)
SELECT
    unhex(value ->> 'event_id'), value ->> 'event_type', unhex(value ->> 'task_id'), value ->> 'user_id',
    value ->> 'task_version', value ->> 'event_time', value ->> 'record_time', value ->> 'before', value ->> 'after',
    value ->> 'trace_id'
FROM json_each($1)
WHERE TRUE
ON CONFLICT (event_id) DO NOTHING
