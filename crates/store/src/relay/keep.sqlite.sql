-- Keeps those of the events that are of tasks, and were not published before.
INSERT INTO published_events (
    event_id, partition_key, topic, event_type, source, payload, traceparent, tracestate, create_time, publish_time
)
SELECT
    event_id, partition_key, topic, event_type, source, payload, traceparent, tracestate, create_time,
    CAST(unixepoch('subsec') * 1000000 AS INTEGER)
FROM outbox
WHERE event_id IN (SELECT unhex(value) FROM json_each($1))
    AND source = 'docket/tasks' AND NOT raw AND republish_of IS NULL
ON CONFLICT (event_id) DO NOTHING
