-- all
DELETE FROM "occurrences" WHERE "occurrences"."task_id" = ?

-- all
DELETE FROM "outbox" WHERE "outbox"."event_id" IN ((SELECT unhex(value) FROM json_each(?)))

-- all
DELETE FROM "task_tags" WHERE "task_tags"."task_id" = ?

-- all
DELETE FROM dead_letters WHERE rowid IN (SELECT rowid FROM dead_letters WHERE state <> 'OPEN' AND update_time < $1 ORDER BY update_time LIMIT $2)

-- all
DELETE FROM idempotency_keys WHERE rowid IN (SELECT rowid FROM idempotency_keys WHERE create_time < $1 ORDER BY create_time LIMIT $2)

-- all
DELETE FROM inbox WHERE rowid IN (SELECT rowid FROM inbox WHERE create_time < $1 ORDER BY create_time LIMIT $2)

-- all
DELETE FROM published_events WHERE rowid IN (SELECT rowid FROM published_events WHERE publish_time < $1 ORDER BY publish_time LIMIT $2)

-- all
INSERT INTO "idempotency_keys" ("user_id", "request_id", "method", "body_hash", "response", "create_time") VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT ("user_id", "request_id") DO NOTHING

-- all
INSERT INTO "inbox" ("event_id", "handler", "state", "reason", "create_time") VALUES (?, ?, ?, ?, ?) ON CONFLICT ("event_id", "handler") DO NOTHING

-- all
INSERT INTO "inbox" ("event_id", "handler", "state", "reason", "create_time") VALUES (?, ?, ?, ?, ?) ON CONFLICT ("event_id", "handler") DO UPDATE SET "reason" = "excluded"."reason", "create_time" = "excluded"."create_time" WHERE "inbox"."state" = ?

-- all
INSERT INTO "occurrences" ("task_id", "series_id", "occurrence_time", "predecessor_id") VALUES (?, ?, ?, ?)

-- all
INSERT INTO "occurrences" ("task_id", "series_id", "occurrence_time", "predecessor_id") VALUES (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?)

-- all
INSERT INTO "outbox" ("event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time", "raw", "handler", "republish_of") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- all
INSERT INTO "outbox" ("event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time", "raw", "handler", "republish_of") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- all
INSERT INTO "outbox" ("event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time", "raw", "handler", "republish_of") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- all
INSERT INTO "outbox" ("event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time", "raw", "handler", "republish_of") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- all
INSERT INTO "outbox" ("event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time", "raw", "handler", "republish_of") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- all
INSERT INTO "outbox" ("event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time", "raw", "handler", "republish_of") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- all
INSERT INTO "task_tags" ("task_id", "tag") VALUES (?, ?)

-- all
INSERT INTO "task_tags" ("task_id", "tag") VALUES (?, ?), (?, ?)

-- all
INSERT INTO "task_tags" ("task_id", "tag") VALUES (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?)

-- all
INSERT INTO "tasks" ("task_id", "user_id", "title", "description", "state", "priority", "due_time", "due_date", "time_zone", "recurrence", "reminders", "series_id", "occurrence_time", "series_start", "series_start_index", "series_index", "awaits_successor", "version", "user_seq", "create_time", "update_time", "complete_time", "complete_version", "delete_time") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- all
INSERT INTO "user_sequences" ("user_id", "last_seq") VALUES (?, ?) ON CONFLICT ("user_id") DO UPDATE SET "last_seq" = "user_sequences"."last_seq" + ? RETURNING "user_id", "last_seq"

-- all
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

-- all
INSERT INTO dead_letter_actions (
    action_id, letter_id, action, actor, reason, replay_id, only_failed_handler, create_time
)
SELECT
    unhex(value ->> 'action_id'), unhex(value ->> 'letter_id'), value ->> 'action', value ->> 'actor', value ->> 'reason',
    unhex(value ->> 'replay_id'), value ->> 'only_failed_handler', value ->> 'create_time'
FROM json_each($1)

-- all
INSERT INTO dead_letters (
    letter_id, state, handler, event_id, event_type, pubsub, topic, partition_key, source_partition, source_offset,
    headers, reason, original, failures, first_failure_time, last_failure_time, replay_id, update_time
)
SELECT
    unhex(value ->> 'letter_id'), 'OPEN', value ->> 'handler', unhex(value ->> 'event_id'), value ->> 'event_type',
    value ->> 'pubsub', value ->> 'topic', value ->> 'partition_key', value ->> 'source_partition',
    value ->> 'source_offset', value ->> 'headers', value ->> 'reason', unhex(value ->> 'original'), 1,
    value ->> 'failure_time', value ->> 'failure_time', unhex(value ->> 'replay_id'), value ->> 'failure_time'
FROM json_each($1)
WHERE TRUE
ON CONFLICT (event_id, handler, topic) DO UPDATE SET
    state = 'OPEN',
    reason = CASE
        WHEN excluded.last_failure_time < dead_letters.last_failure_time THEN dead_letters.reason
        ELSE excluded.reason
    END,
    failures = dead_letters.failures + 1,
    first_failure_time = min(dead_letters.first_failure_time, excluded.first_failure_time),
    last_failure_time = max(dead_letters.last_failure_time, excluded.last_failure_time),
    replay_id = excluded.replay_id,
    update_time = max(dead_letters.update_time, excluded.update_time)
-- What no replay brought is what the letter was made of; what the last counted replay brought is counted.
WHERE excluded.replay_id IS NOT NULL
    AND excluded.replay_id IS NOT dead_letters.replay_id
    -- A letter that has ended is not opened again by what failed before that, unless that is its newest replay.
    AND (
        dead_letters.state = 'OPEN'
        OR excluded.last_failure_time >= dead_letters.update_time
        OR excluded.replay_id = (
            SELECT acts.replay_id
            FROM dead_letter_actions AS acts
            WHERE acts.letter_id = dead_letters.letter_id AND acts.replay_id IS NOT NULL
            ORDER BY acts.create_time DESC, acts.action_id DESC
            LIMIT 1
        )
    )

-- all
INSERT INTO inbox (handler, event_id, state, create_time)
SELECT $1, unhex(value), 'DONE', $2 FROM json_each($3) WHERE TRUE
ON CONFLICT (event_id, handler) DO NOTHING
RETURNING event_id

-- all
SELECT "audit_entries"."event_id", "audit_entries"."event_type", "audit_entries"."task_id", "audit_entries"."user_id", "audit_entries"."task_version", "audit_entries"."event_time", "audit_entries"."record_time", "audit_entries"."before", "audit_entries"."after", "audit_entries"."trace_id" FROM "audit_entries" WHERE "audit_entries"."user_id" = ? AND "audit_entries"."task_id" = ? AND "audit_entries"."event_type" IN (?, ?) AND "audit_entries"."event_time" >= ? AND "audit_entries"."event_time" < ? AND ("audit_entries"."event_time", "audit_entries"."task_version", "audit_entries"."event_id") > (?, ?, ?) ORDER BY "audit_entries"."event_time" ASC, "audit_entries"."task_version" ASC, "audit_entries"."event_id" ASC LIMIT ?

-- all
SELECT "audit_entries"."event_id", "audit_entries"."event_type", "audit_entries"."task_id", "audit_entries"."user_id", "audit_entries"."task_version", "audit_entries"."event_time", "audit_entries"."record_time", "audit_entries"."before", "audit_entries"."after", "audit_entries"."trace_id" FROM "audit_entries" WHERE "audit_entries"."user_id" = ? AND ("audit_entries"."event_time", "audit_entries"."task_version", "audit_entries"."event_id") > (?, ?, ?) ORDER BY "audit_entries"."event_time" ASC, "audit_entries"."task_version" ASC, "audit_entries"."event_id" ASC LIMIT ?

-- all
SELECT "audit_entries"."event_id", "audit_entries"."event_type", "audit_entries"."task_id", "audit_entries"."user_id", "audit_entries"."task_version", "audit_entries"."event_time", "audit_entries"."record_time", "audit_entries"."before", "audit_entries"."after", "audit_entries"."trace_id" FROM "audit_entries" WHERE "audit_entries"."user_id" = ? ORDER BY "audit_entries"."event_time" ASC, "audit_entries"."task_version" ASC, "audit_entries"."event_id" ASC LIMIT ?

-- all
SELECT "dead_letter_actions"."action_id", "dead_letter_actions"."letter_id", "dead_letter_actions"."action", "dead_letter_actions"."actor", "dead_letter_actions"."reason", "dead_letter_actions"."replay_id", "dead_letter_actions"."only_failed_handler", "dead_letter_actions"."create_time" FROM "dead_letter_actions" WHERE "dead_letter_actions"."letter_id" = ? ORDER BY "dead_letter_actions"."create_time" ASC, "dead_letter_actions"."action_id" ASC

-- all
SELECT "dead_letters"."letter_id", "dead_letters"."original" FROM "dead_letters" WHERE "dead_letters"."letter_id" IN ((SELECT unhex(value) FROM json_each(?)))

-- all
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."headers", "dead_letters"."reason", "dead_letters"."original", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time" FROM "dead_letters" WHERE "dead_letters"."letter_id" = ? LIMIT ?

-- all
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."handler" = ? ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT ?

-- all
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."last_failure_time" >= ? AND "dead_letters"."last_failure_time" < ? AND "dead_letters"."first_failure_time" < ? ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT ?

-- all
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."last_failure_time" >= ? ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT ?

-- all
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."letter_id" IN ((SELECT unhex(value) FROM json_each(?))) AND "dead_letters"."partition_key" = ? ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT ?

-- all
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."letter_id" IN ((SELECT unhex(value) FROM json_each(?))) ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT ?

-- all
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."partition_key" = ? ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT ?

-- all
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."state" <> ('DISCARDED') AND "dead_letters"."event_type" = ? ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT ?

-- all
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."state" <> ('REPLAYED') ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT ?

-- all
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."state" = ('DISCARDED') ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT ?

-- all
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."state" = ('OPEN') ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT ?

-- all
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."state" = ('REPLAYED') ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT ?

-- all
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."topic" = ? ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT ?

-- all
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE ("dead_letters"."first_failure_time", "dead_letters"."letter_id") > (?, ?) ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT ?

-- all
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE TRUE ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT ?

-- all
SELECT "idempotency_keys"."user_id", "idempotency_keys"."request_id", "idempotency_keys"."method", "idempotency_keys"."body_hash", "idempotency_keys"."response", "idempotency_keys"."create_time" FROM "idempotency_keys" WHERE "idempotency_keys"."user_id" = ? AND "idempotency_keys"."request_id" = ? LIMIT ?

-- all
SELECT "inbox"."event_id", "inbox"."handler" FROM "inbox" WHERE "inbox"."event_id" IN ((SELECT unhex(value) FROM json_each(?)))

-- all
SELECT "inbox"."event_id", "inbox"."handler", "inbox"."state" FROM "inbox" WHERE "inbox"."event_id" IN ((SELECT unhex(value) FROM json_each(?))) AND "inbox"."handler" IN (?, ?)

-- all
SELECT "occurrences"."task_id", "occurrences"."series_id", "occurrences"."occurrence_time", "occurrences"."predecessor_id" FROM "occurrences" WHERE "occurrences"."predecessor_id" = ? LIMIT ?

-- all
SELECT "occurrences"."task_id", "occurrences"."series_id", "occurrences"."occurrence_time", "occurrences"."predecessor_id" FROM "occurrences" WHERE "occurrences"."series_id" = ? AND "occurrences"."occurrence_time" = ? LIMIT ?

-- all
SELECT "outbox"."position", "outbox"."event_id", "outbox"."shard", "outbox"."topic", "outbox"."partition_key", "outbox"."event_type", "outbox"."source", "outbox"."payload", "outbox"."traceparent", "outbox"."tracestate", "outbox"."create_time", "outbox"."raw", "outbox"."handler", "outbox"."republish_of" FROM "outbox" WHERE "outbox"."partition_key" = ? AND "outbox"."topic" = ? AND "outbox"."position" > ? ORDER BY "outbox"."position" ASC LIMIT ?

-- all
SELECT "position", "event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time", "raw", "handler", "republish_of" FROM (SELECT "position", "event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time", "raw", "handler", "republish_of", sum(length(payload)) OVER (ORDER BY position) - length(payload) AS "before" FROM (SELECT "outbox"."position", "outbox"."event_id", "outbox"."shard", "outbox"."topic", "outbox"."partition_key", "outbox"."event_type", "outbox"."source", "outbox"."payload", "outbox"."traceparent", "outbox"."tracestate", "outbox"."create_time", "outbox"."raw", "outbox"."handler", "outbox"."republish_of" FROM "outbox" WHERE "outbox"."position" > ? AND "outbox"."topic" IN (?) AND (NOT EXISTS(SELECT ? FROM "outbox" AS "earlier" WHERE "earlier"."partition_key" = "outbox"."partition_key" AND "earlier"."topic" = "outbox"."topic" AND "earlier"."position" < "outbox"."position")) ORDER BY "outbox"."position" ASC LIMIT ?) AS "page") AS "sized" WHERE "before" < ? ORDER BY "position" ASC

-- all
SELECT "position", "event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time", "raw", "handler", "republish_of" FROM (SELECT "position", "event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time", "raw", "handler", "republish_of", sum(length(payload)) OVER (ORDER BY position) - length(payload) AS "before" FROM (SELECT "outbox"."position", "outbox"."event_id", "outbox"."shard", "outbox"."topic", "outbox"."partition_key", "outbox"."event_type", "outbox"."source", "outbox"."payload", "outbox"."traceparent", "outbox"."tracestate", "outbox"."create_time", "outbox"."raw", "outbox"."handler", "outbox"."republish_of" FROM "outbox" WHERE "outbox"."position" IN (SELECT "position" FROM (SELECT "position" FROM "outbox" WHERE "outbox"."partition_key" = ? AND "outbox"."topic" = ? AND "outbox"."position" > ? ORDER BY "position" ASC LIMIT ?) AS "next" UNION ALL SELECT "position" FROM (SELECT "position" FROM "outbox" WHERE "outbox"."partition_key" = ? AND "outbox"."topic" = ? AND "outbox"."position" > ? ORDER BY "position" ASC LIMIT ?) AS "next" UNION ALL SELECT "position" FROM (SELECT "position" FROM "outbox" WHERE "outbox"."partition_key" = ? AND "outbox"."topic" = ? AND "outbox"."position" > ? ORDER BY "position" ASC LIMIT ?) AS "next" UNION ALL SELECT "position" FROM (SELECT "position" FROM "outbox" WHERE "outbox"."partition_key" = ? AND "outbox"."topic" = ? AND "outbox"."position" > ? ORDER BY "position" ASC LIMIT ?) AS "next")) AS "page") AS "sized" WHERE "before" < ? ORDER BY "position" ASC

-- all
SELECT "position", "event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time", "raw", "handler", "republish_of" FROM (SELECT "position", "event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time", "raw", "handler", "republish_of", sum(length(payload)) OVER (ORDER BY position) - length(payload) AS "before" FROM (SELECT "outbox"."position", "outbox"."event_id", "outbox"."shard", "outbox"."topic", "outbox"."partition_key", "outbox"."event_type", "outbox"."source", "outbox"."payload", "outbox"."traceparent", "outbox"."tracestate", "outbox"."create_time", "outbox"."raw", "outbox"."handler", "outbox"."republish_of" FROM "outbox" WHERE "outbox"."position" IN (SELECT "position" FROM (SELECT "position" FROM "outbox" WHERE "outbox"."partition_key" = ? AND "outbox"."topic" = ? AND "outbox"."position" > ? ORDER BY "position" ASC LIMIT ?) AS "next" UNION ALL SELECT "position" FROM (SELECT "position" FROM "outbox" WHERE "outbox"."partition_key" = ? AND "outbox"."topic" = ? AND "outbox"."position" > ? ORDER BY "position" ASC LIMIT ?) AS "next")) AS "page") AS "sized" WHERE "before" < ? ORDER BY "position" ASC

-- all
SELECT "position", "event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time", "raw", "handler", "republish_of" FROM (SELECT "position", "event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time", "raw", "handler", "republish_of", sum(length(payload)) OVER (ORDER BY position) - length(payload) AS "before" FROM (SELECT "outbox"."position", "outbox"."event_id", "outbox"."shard", "outbox"."topic", "outbox"."partition_key", "outbox"."event_type", "outbox"."source", "outbox"."payload", "outbox"."traceparent", "outbox"."tracestate", "outbox"."create_time", "outbox"."raw", "outbox"."handler", "outbox"."republish_of" FROM "outbox" WHERE "outbox"."position" IN (SELECT "position" FROM (SELECT "position" FROM "outbox" WHERE "outbox"."partition_key" = ? AND "outbox"."topic" = ? AND "outbox"."position" > ? ORDER BY "position" ASC LIMIT ?) AS "next")) AS "page") AS "sized" WHERE "before" < ? ORDER BY "position" ASC

-- all
SELECT "published_events"."event_id", "published_events"."partition_key", "published_events"."topic", "published_events"."event_type", "published_events"."source", "published_events"."payload", "published_events"."traceparent", "published_events"."tracestate", "published_events"."create_time", "published_events"."publish_time" FROM "published_events" WHERE "published_events"."event_id" IN ((SELECT unhex(value) FROM json_each(?))) ORDER BY "published_events"."create_time" ASC, "published_events"."event_id" ASC

-- all
SELECT "published_events"."event_id", "published_events"."partition_key", "published_events"."topic", "published_events"."event_type", "published_events"."source", "published_events"."payload", "published_events"."traceparent", "published_events"."tracestate", "published_events"."create_time", "published_events"."publish_time" FROM "published_events" WHERE "published_events"."partition_key" = ? AND "published_events"."topic" = ? ORDER BY "published_events"."create_time" ASC, "published_events"."event_id" ASC LIMIT ?

-- all
SELECT "published_events"."event_id", "published_events"."partition_key", "published_events"."topic", "published_events"."event_type", "published_events"."source", "published_events"."payload", "published_events"."traceparent", "published_events"."tracestate", "published_events"."create_time", "published_events"."publish_time" FROM "published_events" WHERE "published_events"."partition_key" = ? AND ("published_events"."create_time", "published_events"."event_id") > (?, ?) AND "published_events"."topic" = ? ORDER BY "published_events"."create_time" ASC, "published_events"."event_id" ASC LIMIT ?

-- all
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT group_concat("task_tags"."tag", ?) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."awaits_successor" = TRUE AND "tasks"."complete_time" < ? AND ("tasks"."complete_time", "tasks"."task_id") > (?, ?) ORDER BY "tasks"."complete_time" ASC, "tasks"."task_id" ASC LIMIT ?

-- all
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT group_concat("task_tags"."tag", ?) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."awaits_successor" = TRUE AND "tasks"."complete_time" < ? ORDER BY "tasks"."complete_time" ASC, "tasks"."task_id" ASC LIMIT ?

-- all
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT group_concat("task_tags"."tag", ?) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = ? AND "tasks"."delete_time" IS NULL AND "tasks"."due_time" < ? ORDER BY "tasks"."create_time" ASC, "tasks"."task_id" ASC LIMIT ?

-- all
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT group_concat("task_tags"."tag", ?) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = ? AND "tasks"."delete_time" IS NULL AND "tasks"."due_time" >= ? AND "tasks"."priority" IN (?) ORDER BY "tasks"."create_time" ASC, "tasks"."task_id" ASC LIMIT ?

-- all
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT group_concat("task_tags"."tag", ?) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = ? AND "tasks"."delete_time" IS NULL AND "tasks"."due_time" IS NULL AND "tasks"."task_id" < ? ORDER BY "tasks"."due_time" DESC NULLS LAST, "tasks"."task_id" DESC LIMIT ?

-- all
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT group_concat("task_tags"."tag", ?) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = ? AND "tasks"."delete_time" IS NULL AND "tasks"."due_time" IS NULL AND "tasks"."task_id" > ? ORDER BY "tasks"."due_time" ASC NULLS LAST, "tasks"."task_id" ASC LIMIT ?

-- all
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT group_concat("task_tags"."tag", ?) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = ? AND "tasks"."delete_time" IS NULL AND "tasks"."state" <> ? ORDER BY "tasks"."create_time" ASC, "tasks"."task_id" ASC LIMIT ?

-- all
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT group_concat("task_tags"."tag", ?) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = ? AND "tasks"."delete_time" IS NULL AND ("tasks"."create_time", "tasks"."task_id") < (?, ?) ORDER BY "tasks"."create_time" DESC, "tasks"."task_id" DESC LIMIT ?

-- all
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT group_concat("task_tags"."tag", ?) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = ? AND "tasks"."delete_time" IS NULL AND ("tasks"."create_time", "tasks"."task_id") > (?, ?) ORDER BY "tasks"."create_time" ASC, "tasks"."task_id" ASC LIMIT ?

-- all
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT group_concat("task_tags"."tag", ?) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = ? AND "tasks"."delete_time" IS NULL AND ("tasks"."priority", "tasks"."task_id") < (?, ?) ORDER BY "tasks"."priority" DESC, "tasks"."task_id" DESC LIMIT ?

-- all
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT group_concat("task_tags"."tag", ?) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = ? AND "tasks"."delete_time" IS NULL AND (("tasks"."due_time", "tasks"."task_id") < (?, ?) OR "tasks"."due_time" IS NULL) ORDER BY "tasks"."due_time" DESC NULLS LAST, "tasks"."task_id" DESC LIMIT ?

-- all
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT group_concat("task_tags"."tag", ?) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = ? AND "tasks"."delete_time" IS NULL AND (("tasks"."due_time", "tasks"."task_id") > (?, ?) OR "tasks"."due_time" IS NULL) ORDER BY "tasks"."due_time" ASC NULLS LAST, "tasks"."task_id" ASC LIMIT ?

-- all
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT group_concat("task_tags"."tag", ?) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = ? AND "tasks"."delete_time" IS NULL AND (LOWER("tasks"."title") LIKE ? ESCAPE '\' OR LOWER("tasks"."description") LIKE ? ESCAPE '\') ORDER BY "tasks"."create_time" ASC, "tasks"."task_id" ASC LIMIT ?

-- all
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT group_concat("task_tags"."tag", ?) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = ? AND "tasks"."delete_time" IS NULL AND EXISTS(SELECT ? FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id" AND "task_tags"."tag" = ?) ORDER BY "tasks"."create_time" ASC, "tasks"."task_id" ASC LIMIT ?

-- all
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT group_concat("task_tags"."tag", ?) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = ? AND "tasks"."delete_time" IS NULL ORDER BY "tasks"."create_time" ASC, "tasks"."task_id" ASC LIMIT ?

-- all
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT group_concat("task_tags"."tag", ?) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = ? AND "tasks"."delete_time" IS NULL ORDER BY "tasks"."create_time" DESC, "tasks"."task_id" DESC LIMIT ?

-- all
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT group_concat("task_tags"."tag", ?) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = ? AND "tasks"."delete_time" IS NULL ORDER BY "tasks"."due_time" ASC NULLS LAST, "tasks"."task_id" ASC LIMIT ?

-- all
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT group_concat("task_tags"."tag", ?) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = ? AND "tasks"."delete_time" IS NULL ORDER BY "tasks"."due_time" DESC NULLS LAST, "tasks"."task_id" DESC LIMIT ?

-- all
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT group_concat("task_tags"."tag", ?) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = ? AND "tasks"."delete_time" IS NULL ORDER BY "tasks"."priority" DESC, "tasks"."task_id" DESC LIMIT ?

-- all
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT group_concat("task_tags"."tag", ?) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = ? AND "tasks"."task_id" = ? LIMIT ?

-- all
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."version" FROM "tasks" ORDER BY "tasks"."task_id" ASC LIMIT ?

-- all
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."version" FROM "tasks" WHERE "tasks"."task_id" > ? ORDER BY "tasks"."task_id" ASC LIMIT ?

-- all
SELECT COUNT(*) AS num_items FROM (SELECT "audit_entries"."event_id", "audit_entries"."event_type", "audit_entries"."task_id", "audit_entries"."user_id", "audit_entries"."task_version", "audit_entries"."event_time", "audit_entries"."record_time", "audit_entries"."before", "audit_entries"."after", "audit_entries"."trace_id" FROM "audit_entries" WHERE "audit_entries"."task_id" = ? AND "audit_entries"."user_id" = ? LIMIT ?) AS "sub_query"

-- all
SELECT COUNT(*) AS num_items FROM (SELECT "outbox"."position", "outbox"."event_id", "outbox"."shard", "outbox"."topic", "outbox"."partition_key", "outbox"."event_type", "outbox"."source", "outbox"."payload", "outbox"."traceparent", "outbox"."tracestate", "outbox"."create_time", "outbox"."raw", "outbox"."handler", "outbox"."republish_of" FROM "outbox") AS "sub_query"

-- all
UPDATE "idempotency_keys" SET "response" = ? WHERE "idempotency_keys"."user_id" = ? AND "idempotency_keys"."request_id" = ?

-- all
UPDATE "tasks" SET "awaits_successor" = ? WHERE "tasks"."task_id" = ?

-- all
UPDATE "tasks" SET "task_id" = ?, "user_id" = ?, "title" = ?, "description" = ?, "state" = ?, "priority" = ?, "due_time" = ?, "due_date" = ?, "time_zone" = ?, "recurrence" = ?, "reminders" = ?, "series_id" = ?, "occurrence_time" = ?, "series_start" = ?, "series_start_index" = ?, "series_index" = ?, "awaits_successor" = ?, "version" = ?, "create_time" = ?, "update_time" = ?, "complete_time" = ?, "complete_version" = ?, "delete_time" = ? WHERE "tasks"."task_id" = ?

-- all
UPDATE "tasks" SET "task_id" = ?, "user_id" = ?, "title" = ?, "description" = ?, "state" = ?, "priority" = ?, "due_time" = ?, "due_date" = ?, "time_zone" = ?, "recurrence" = ?, "reminders" = ?, "series_id" = ?, "occurrence_time" = ?, "series_start" = ?, "series_start_index" = ?, "series_index" = ?, "version" = ?, "create_time" = ?, "update_time" = ?, "complete_time" = ?, "complete_version" = ?, "delete_time" = ? WHERE "tasks"."task_id" = ?

-- all
UPDATE "tasks" SET "user_seq" = ? WHERE "tasks"."task_id" = ?

-- all
UPDATE dead_letters
SET state = acts.action, update_time = acts.create_time
FROM (
    SELECT
        unhex(value ->> 'letter_id') AS letter_id, value ->> 'action' AS action, value ->> 'create_time' AS create_time
    FROM json_each($1)
) AS acts
WHERE dead_letters.letter_id = acts.letter_id

-- all
WITH page AS (
            SELECT task_id FROM audit_entries  GROUP BY task_id ORDER BY task_id LIMIT $1
        ), versions AS (
            SELECT entries.task_id, user_id, task_version,
                COALESCE(lag(task_version) OVER by_version, 0) AS previous,
                lead(task_version) OVER by_version IS NULL AS is_last
            FROM page JOIN audit_entries AS entries ON entries.task_id = page.task_id
            WINDOW by_version AS (PARTITION BY entries.task_id ORDER BY task_version, event_id)
        )
        SELECT task_id, user_id, task_version, previous, is_last FROM versions
        WHERE is_last OR task_version > previous + 1
        ORDER BY task_id, task_version, is_last

-- all
WITH page AS (
            SELECT task_id FROM audit_entries WHERE task_id > $2 GROUP BY task_id ORDER BY task_id LIMIT $1
        ), versions AS (
            SELECT entries.task_id, user_id, task_version,
                COALESCE(lag(task_version) OVER by_version, 0) AS previous,
                lead(task_version) OVER by_version IS NULL AS is_last
            FROM page JOIN audit_entries AS entries ON entries.task_id = page.task_id
            WINDOW by_version AS (PARTITION BY entries.task_id ORDER BY task_version, event_id)
        )
        SELECT task_id, user_id, task_version, previous, is_last FROM versions
        WHERE is_last OR task_version > previous + 1
        ORDER BY task_id, task_version, is_last

-- column
all.audit_entries.after

-- column
all.audit_entries.before

-- column
all.audit_entries.event_id

-- column
all.audit_entries.event_time

-- column
all.audit_entries.event_type

-- column
all.audit_entries.record_time

-- column
all.audit_entries.task_id

-- column
all.audit_entries.task_version

-- column
all.audit_entries.trace_id

-- column
all.audit_entries.user_id

-- column
all.dead_letter_actions.action

-- column
all.dead_letter_actions.action_id

-- column
all.dead_letter_actions.actor

-- column
all.dead_letter_actions.create_time

-- column
all.dead_letter_actions.letter_id

-- column
all.dead_letter_actions.only_failed_handler

-- column
all.dead_letter_actions.reason

-- column
all.dead_letter_actions.replay_id

-- column
all.dead_letters.event_id

-- column
all.dead_letters.event_type

-- column
all.dead_letters.failures

-- column
all.dead_letters.first_failure_time

-- column
all.dead_letters.handler

-- column
all.dead_letters.headers

-- column
all.dead_letters.last_failure_time

-- column
all.dead_letters.letter_id

-- column
all.dead_letters.original

-- column
all.dead_letters.partition_key

-- column
all.dead_letters.pubsub

-- column
all.dead_letters.reason

-- column
all.dead_letters.replay_id

-- column
all.dead_letters.source_offset

-- column
all.dead_letters.source_partition

-- column
all.dead_letters.state

-- column
all.dead_letters.topic

-- column
all.dead_letters.update_time

-- column
all.idempotency_keys.body_hash

-- column
all.idempotency_keys.create_time

-- column
all.idempotency_keys.method

-- column
all.idempotency_keys.request_id

-- column
all.idempotency_keys.response

-- column
all.idempotency_keys.user_id

-- column
all.inbox.create_time

-- column
all.inbox.event_id

-- column
all.inbox.handler

-- column
all.inbox.reason

-- column
all.inbox.state

-- column
all.occurrences.occurrence_time

-- column
all.occurrences.predecessor_id

-- column
all.occurrences.series_id

-- column
all.occurrences.task_id

-- column
all.outbox.create_time

-- column
all.outbox.event_id

-- column
all.outbox.event_type

-- column
all.outbox.handler

-- column
all.outbox.partition_key

-- column
all.outbox.payload

-- column
all.outbox.position

-- column
all.outbox.raw

-- column
all.outbox.republish_of

-- column
all.outbox.shard

-- column
all.outbox.source

-- column
all.outbox.topic

-- column
all.outbox.traceparent

-- column
all.outbox.tracestate

-- column
all.published_events.create_time

-- column
all.published_events.event_id

-- column
all.published_events.event_type

-- column
all.published_events.partition_key

-- column
all.published_events.payload

-- column
all.published_events.publish_time

-- column
all.published_events.source

-- column
all.published_events.topic

-- column
all.published_events.traceparent

-- column
all.published_events.tracestate

-- column
all.seaql_migrations.applied_at

-- column
all.seaql_migrations.version

-- column
all.task_tags.tag

-- column
all.task_tags.task_id

-- column
all.tasks.awaits_successor

-- column
all.tasks.complete_time

-- column
all.tasks.complete_version

-- column
all.tasks.create_time

-- column
all.tasks.delete_time

-- column
all.tasks.description

-- column
all.tasks.due_date

-- column
all.tasks.due_time

-- column
all.tasks.occurrence_time

-- column
all.tasks.priority

-- column
all.tasks.recurrence

-- column
all.tasks.reminders

-- column
all.tasks.series_id

-- column
all.tasks.series_index

-- column
all.tasks.series_start

-- column
all.tasks.series_start_index

-- column
all.tasks.state

-- column
all.tasks.task_id

-- column
all.tasks.time_zone

-- column
all.tasks.title

-- column
all.tasks.update_time

-- column
all.tasks.user_id

-- column
all.tasks.user_seq

-- column
all.tasks.version

-- column
all.user_sequences.last_seq

-- column
all.user_sequences.user_id
