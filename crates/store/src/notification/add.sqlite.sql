INSERT INTO deliveries (
    delivery_id, kind, subject, channel, user_id, task_id, reminder_id, title, content, traceparent, tracestate,
    remind_time, state, attempts, wake_time, postponed, create_time
)
SELECT
    unhex(value ->> 'delivery_id'), value ->> 'kind', value ->> 'subject', value ->> 'channel', value ->> 'user_id',
    unhex(value ->> 'task_id'), unhex(value ->> 'reminder_id'), value ->> 'title', value ->> 'content',
    value ->> 'traceparent', value ->> 'tracestate', value ->> 'remind_time', 'PENDING', 0, value ->> 'wake_time',
    value ->> 'postponed', value ->> 'create_time'
FROM json_each($1)
WHERE NOT EXISTS (SELECT 1 FROM deliveries AS known WHERE known.subject = value ->> 'subject')
ON CONFLICT (subject, channel) DO NOTHING
RETURNING subject
