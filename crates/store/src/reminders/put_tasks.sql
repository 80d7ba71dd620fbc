-- A task that was not known before is new, or another transaction has been faster: only those among $14 are locked.
INSERT INTO reminder_tasks (
    task_id, user_id, version, open, title, priority, due_time, due_date, time_zone, reminders, traceparent, tracestate,
    update_time
)
SELECT
    task_id, user_id, version, open, title, priority, NULLIF(due_time, '-9223372036854775808'::bigint),
    NULLIF(due_date, ''), time_zone, reminders::json, NULLIF(traceparent, ''), NULLIF(tracestate, ''), update_time
FROM unnest(
    $1::uuid[], $2::text[], $3::bigint[], $4::boolean[], $5::text[], $6::smallint[], $7::bigint[], $8::text[],
    $9::text[], $10::text[], $11::text[], $12::text[], $13::bigint[]
) AS tasks (
    task_id, user_id, version, open, title, priority, due_time, due_date, time_zone, reminders, traceparent, tracestate,
    update_time
)
ORDER BY task_id
ON CONFLICT (task_id) DO UPDATE SET
    version = EXCLUDED.version,
    open = EXCLUDED.open,
    title = EXCLUDED.title,
    priority = EXCLUDED.priority,
    due_time = EXCLUDED.due_time,
    due_date = EXCLUDED.due_date,
    time_zone = EXCLUDED.time_zone,
    reminders = EXCLUDED.reminders,
    traceparent = EXCLUDED.traceparent,
    tracestate = EXCLUDED.tracestate,
    update_time = EXCLUDED.update_time
WHERE reminder_tasks.version < EXCLUDED.version AND reminder_tasks.task_id = ANY ($14::uuid[])
