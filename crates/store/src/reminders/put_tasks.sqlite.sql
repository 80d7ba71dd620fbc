-- A task that was not known before is new, or another transaction has been faster: only those among $2 are locked.
INSERT INTO reminder_tasks (
    task_id, user_id, version, open, title, priority, due_time, due_date, time_zone, reminders, traceparent, tracestate,
    update_time
)
SELECT
    unhex(value ->> 'task_id'), value ->> 'user_id', value ->> 'version', value ->> 'open', value ->> 'title',
    value ->> 'priority', value ->> 'due_time', value ->> 'due_date', value ->> 'time_zone', value ->> 'reminders',
    value ->> 'traceparent', value ->> 'tracestate', value ->> 'update_time'
FROM json_each($1)
WHERE TRUE
ON CONFLICT (task_id) DO UPDATE SET
    version = excluded.version,
    open = excluded.open,
    title = excluded.title,
    priority = excluded.priority,
    due_time = excluded.due_time,
    due_date = excluded.due_date,
    time_zone = excluded.time_zone,
    reminders = excluded.reminders,
    traceparent = excluded.traceparent,
    tracestate = excluded.tracestate,
    update_time = excluded.update_time
WHERE reminder_tasks.version < excluded.version
    AND reminder_tasks.task_id IN (SELECT unhex(value) FROM json_each($2))
