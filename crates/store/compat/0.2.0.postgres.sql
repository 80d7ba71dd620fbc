-- audit
INSERT INTO "audit_entries" ("event_id", "event_type", "task_id", "user_id", "task_version", "event_time", "record_time", "before", "after", "trace_id") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT ("event_id") DO NOTHING

-- audit
SELECT "audit_entries"."event_id", "audit_entries"."event_type", "audit_entries"."task_id", "audit_entries"."user_id", "audit_entries"."task_version", "audit_entries"."event_time", "audit_entries"."record_time", "audit_entries"."before", "audit_entries"."after", "audit_entries"."trace_id" FROM "audit_entries" WHERE "audit_entries"."user_id" = $1 AND "audit_entries"."task_id" = $2 AND "audit_entries"."event_type" IN ($3, $4) AND "audit_entries"."event_time" >= $5 AND "audit_entries"."event_time" < $6 AND ("audit_entries"."event_time", "audit_entries"."task_version", "audit_entries"."event_id") > ($7, $8, $9) ORDER BY "audit_entries"."event_time" ASC, "audit_entries"."task_version" ASC, "audit_entries"."event_id" ASC LIMIT $10

-- audit
SELECT "audit_entries"."event_id", "audit_entries"."event_type", "audit_entries"."task_id", "audit_entries"."user_id", "audit_entries"."task_version", "audit_entries"."event_time", "audit_entries"."record_time", "audit_entries"."before", "audit_entries"."after", "audit_entries"."trace_id" FROM "audit_entries" WHERE "audit_entries"."user_id" = $1 AND ("audit_entries"."event_time", "audit_entries"."task_version", "audit_entries"."event_id") > ($2, $3, $4) ORDER BY "audit_entries"."event_time" ASC, "audit_entries"."task_version" ASC, "audit_entries"."event_id" ASC LIMIT $5

-- audit
SELECT "audit_entries"."event_id", "audit_entries"."event_type", "audit_entries"."task_id", "audit_entries"."user_id", "audit_entries"."task_version", "audit_entries"."event_time", "audit_entries"."record_time", "audit_entries"."before", "audit_entries"."after", "audit_entries"."trace_id" FROM "audit_entries" WHERE "audit_entries"."user_id" = $1 ORDER BY "audit_entries"."event_time" ASC, "audit_entries"."task_version" ASC, "audit_entries"."event_id" ASC LIMIT $2

-- audit
SELECT COUNT(*) AS num_items FROM (SELECT "audit_entries"."event_id", "audit_entries"."event_type", "audit_entries"."task_id", "audit_entries"."user_id", "audit_entries"."task_version", "audit_entries"."event_time", "audit_entries"."record_time", "audit_entries"."before", "audit_entries"."after", "audit_entries"."trace_id" FROM "audit_entries" WHERE "audit_entries"."task_id" = $1 AND "audit_entries"."user_id" = $2 LIMIT $3) AS "sub_query"

-- column
audit.audit_entries.after

-- column
audit.audit_entries.before

-- column
audit.audit_entries.event_id

-- column
audit.audit_entries.event_time

-- column
audit.audit_entries.event_type

-- column
audit.audit_entries.record_time

-- column
audit.audit_entries.task_id

-- column
audit.audit_entries.task_version

-- column
audit.audit_entries.trace_id

-- column
audit.audit_entries.user_id

-- column
audit.inbox.create_time

-- column
audit.inbox.event_id

-- column
audit.inbox.handler

-- column
audit.inbox.reason

-- column
audit.inbox.state

-- column
audit.outbox.create_time

-- column
audit.outbox.event_id

-- column
audit.outbox.event_type

-- column
audit.outbox.partition_key

-- column
audit.outbox.payload

-- column
audit.outbox.position

-- column
audit.outbox.shard

-- column
audit.outbox.source

-- column
audit.outbox.topic

-- column
audit.outbox.traceparent

-- column
audit.outbox.tracestate

-- column
audit.relay_shards.epoch

-- column
audit.relay_shards.relay_id

-- column
audit.relay_shards.shard

-- column
audit.relays.expire_time

-- column
audit.relays.relay_id

-- column
audit.seaql_migrations.applied_at

-- column
audit.seaql_migrations.version

-- column
recurrence.inbox.create_time

-- column
recurrence.inbox.event_id

-- column
recurrence.inbox.handler

-- column
recurrence.inbox.reason

-- column
recurrence.inbox.state

-- column
recurrence.outbox.create_time

-- column
recurrence.outbox.event_id

-- column
recurrence.outbox.event_type

-- column
recurrence.outbox.partition_key

-- column
recurrence.outbox.payload

-- column
recurrence.outbox.position

-- column
recurrence.outbox.shard

-- column
recurrence.outbox.source

-- column
recurrence.outbox.topic

-- column
recurrence.outbox.traceparent

-- column
recurrence.outbox.tracestate

-- column
recurrence.relay_shards.epoch

-- column
recurrence.relay_shards.relay_id

-- column
recurrence.relay_shards.shard

-- column
recurrence.relays.expire_time

-- column
recurrence.relays.relay_id

-- column
recurrence.seaql_migrations.applied_at

-- column
recurrence.seaql_migrations.version

-- column
tasks.idempotency_keys.body_hash

-- column
tasks.idempotency_keys.create_time

-- column
tasks.idempotency_keys.method

-- column
tasks.idempotency_keys.request_id

-- column
tasks.idempotency_keys.response

-- column
tasks.idempotency_keys.user_id

-- column
tasks.inbox.create_time

-- column
tasks.inbox.event_id

-- column
tasks.inbox.handler

-- column
tasks.inbox.reason

-- column
tasks.inbox.state

-- column
tasks.occurrences.occurrence_time

-- column
tasks.occurrences.predecessor_id

-- column
tasks.occurrences.series_id

-- column
tasks.occurrences.task_id

-- column
tasks.outbox.create_time

-- column
tasks.outbox.event_id

-- column
tasks.outbox.event_type

-- column
tasks.outbox.partition_key

-- column
tasks.outbox.payload

-- column
tasks.outbox.position

-- column
tasks.outbox.shard

-- column
tasks.outbox.source

-- column
tasks.outbox.topic

-- column
tasks.outbox.traceparent

-- column
tasks.outbox.tracestate

-- column
tasks.relay_shards.epoch

-- column
tasks.relay_shards.relay_id

-- column
tasks.relay_shards.shard

-- column
tasks.relays.expire_time

-- column
tasks.relays.relay_id

-- column
tasks.seaql_migrations.applied_at

-- column
tasks.seaql_migrations.version

-- column
tasks.task_tags.tag

-- column
tasks.task_tags.task_id

-- column
tasks.tasks.awaits_successor

-- column
tasks.tasks.complete_time

-- column
tasks.tasks.complete_version

-- column
tasks.tasks.create_time

-- column
tasks.tasks.delete_time

-- column
tasks.tasks.description

-- column
tasks.tasks.due_date

-- column
tasks.tasks.due_time

-- column
tasks.tasks.occurrence_time

-- column
tasks.tasks.priority

-- column
tasks.tasks.recurrence

-- column
tasks.tasks.reminders

-- column
tasks.tasks.series_id

-- column
tasks.tasks.series_index

-- column
tasks.tasks.series_start

-- column
tasks.tasks.series_start_index

-- column
tasks.tasks.state

-- column
tasks.tasks.task_id

-- column
tasks.tasks.time_zone

-- column
tasks.tasks.title

-- column
tasks.tasks.update_time

-- column
tasks.tasks.user_id

-- column
tasks.tasks.user_seq

-- column
tasks.tasks.version

-- column
tasks.user_sequences.last_seq

-- column
tasks.user_sequences.user_id

-- tasks
DELETE FROM "occurrences" WHERE "occurrences"."task_id" = $1

-- tasks
DELETE FROM "task_tags" WHERE "task_tags"."task_id" = $1

-- tasks
INSERT INTO "idempotency_keys" ("user_id", "request_id", "method", "body_hash", "response", "create_time") VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT ("user_id", "request_id") DO NOTHING

-- tasks
INSERT INTO "inbox" ("event_id", "handler", "state", "reason", "create_time") VALUES ($1, $2, $3, $4, $5) ON CONFLICT ("event_id", "handler") DO NOTHING

-- tasks
INSERT INTO "occurrences" ("task_id", "series_id", "occurrence_time", "predecessor_id") VALUES ($1, $2, $3, $4)

-- tasks
INSERT INTO "outbox" ("event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)

-- tasks
INSERT INTO "outbox" ("event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10), ($11, $12, $13, $14, $15, $16, $17, $18, $19, $20), ($21, $22, $23, $24, $25, $26, $27, $28, $29, $30), ($31, $32, $33, $34, $35, $36, $37, $38, $39, $40)

-- tasks
INSERT INTO "task_tags" ("task_id", "tag") VALUES ($1, $2)

-- tasks
INSERT INTO "task_tags" ("task_id", "tag") VALUES ($1, $2), ($3, $4)

-- tasks
INSERT INTO "tasks" ("task_id", "user_id", "title", "description", "state", "priority", "due_time", "due_date", "time_zone", "recurrence", "reminders", "series_id", "occurrence_time", "series_start", "series_start_index", "series_index", "awaits_successor", "version", "user_seq", "create_time", "update_time", "complete_time", "complete_version", "delete_time") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)

-- tasks
INSERT INTO "user_sequences" ("user_id", "last_seq") VALUES ($1, $2) ON CONFLICT ("user_id") DO UPDATE SET "last_seq" = "user_sequences"."last_seq" + $3 RETURNING "user_id", "last_seq"

-- tasks
INSERT INTO relays (relay_id, expire_time)
VALUES ($1::uuid, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + $2::bigint)

-- tasks
SELECT "idempotency_keys"."user_id", "idempotency_keys"."request_id", "idempotency_keys"."method", "idempotency_keys"."body_hash", "idempotency_keys"."response", "idempotency_keys"."create_time" FROM "idempotency_keys" WHERE "idempotency_keys"."user_id" = $1 AND "idempotency_keys"."request_id" = $2 LIMIT $3

-- tasks
SELECT "occurrences"."task_id", "occurrences"."series_id", "occurrences"."occurrence_time", "occurrences"."predecessor_id" FROM "occurrences" WHERE "occurrences"."predecessor_id" = $1 LIMIT $2

-- tasks
SELECT "occurrences"."task_id", "occurrences"."series_id", "occurrences"."occurrence_time", "occurrences"."predecessor_id" FROM "occurrences" WHERE "occurrences"."series_id" = $1 AND "occurrences"."occurrence_time" = $2 LIMIT $3

-- tasks
SELECT "outbox"."position", "outbox"."event_id", "outbox"."shard", "outbox"."topic", "outbox"."partition_key", "outbox"."event_type", "outbox"."source", "outbox"."payload", "outbox"."traceparent", "outbox"."tracestate", "outbox"."create_time" FROM "outbox" WHERE "outbox"."position" > $1 AND "outbox"."topic" IN ($2) AND (NOT EXISTS(SELECT $3 FROM "outbox" AS "earlier" WHERE "earlier"."partition_key" = "outbox"."partition_key" AND "earlier"."topic" = "outbox"."topic" AND "earlier"."position" < "outbox"."position")) ORDER BY "outbox"."position" ASC LIMIT $4

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."awaits_successor" = TRUE AND "tasks"."complete_time" < $2 AND ("tasks"."complete_time", "tasks"."task_id") > ($3, $4) ORDER BY "tasks"."complete_time" ASC, "tasks"."task_id" ASC LIMIT $5

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."awaits_successor" = TRUE AND "tasks"."complete_time" < $2 ORDER BY "tasks"."complete_time" ASC, "tasks"."task_id" ASC LIMIT $3

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL AND "tasks"."due_time" < $3 ORDER BY "tasks"."create_time" ASC, "tasks"."task_id" ASC LIMIT $4

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL AND "tasks"."due_time" >= $3 AND "tasks"."priority" IN ($4) ORDER BY "tasks"."create_time" ASC, "tasks"."task_id" ASC LIMIT $5

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL AND "tasks"."due_time" IS NULL AND "tasks"."task_id" < $3 ORDER BY "tasks"."due_time" DESC NULLS LAST, "tasks"."task_id" DESC LIMIT $4

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL AND "tasks"."due_time" IS NULL AND "tasks"."task_id" > $3 ORDER BY "tasks"."due_time" ASC NULLS LAST, "tasks"."task_id" ASC LIMIT $4

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL AND "tasks"."state" <> $3 ORDER BY "tasks"."create_time" ASC, "tasks"."task_id" ASC LIMIT $4

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL AND ("tasks"."create_time", "tasks"."task_id") < ($3, $4) ORDER BY "tasks"."create_time" DESC, "tasks"."task_id" DESC LIMIT $5

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL AND ("tasks"."create_time", "tasks"."task_id") > ($3, $4) ORDER BY "tasks"."create_time" ASC, "tasks"."task_id" ASC LIMIT $5

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL AND ("tasks"."priority", "tasks"."task_id") < ($3, $4) ORDER BY "tasks"."priority" DESC, "tasks"."task_id" DESC LIMIT $5

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL AND (("tasks"."due_time", "tasks"."task_id") < ($3, $4) OR "tasks"."due_time" IS NULL) ORDER BY "tasks"."due_time" DESC NULLS LAST, "tasks"."task_id" DESC LIMIT $5

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL AND (("tasks"."due_time", "tasks"."task_id") > ($3, $4) OR "tasks"."due_time" IS NULL) ORDER BY "tasks"."due_time" ASC NULLS LAST, "tasks"."task_id" ASC LIMIT $5

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL AND (LOWER("tasks"."title" COLLATE "C") LIKE $3 ESCAPE E'\\' OR LOWER("tasks"."description" COLLATE "C") LIKE $4 ESCAPE E'\\') ORDER BY "tasks"."create_time" ASC, "tasks"."task_id" ASC LIMIT $5

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL AND EXISTS(SELECT $3 FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id" AND "task_tags"."tag" = $4) ORDER BY "tasks"."create_time" ASC, "tasks"."task_id" ASC LIMIT $5

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL ORDER BY "tasks"."create_time" ASC, "tasks"."task_id" ASC LIMIT $3

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL ORDER BY "tasks"."create_time" DESC, "tasks"."task_id" DESC LIMIT $3

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL ORDER BY "tasks"."due_time" ASC NULLS LAST, "tasks"."task_id" ASC LIMIT $3

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL ORDER BY "tasks"."due_time" DESC NULLS LAST, "tasks"."task_id" DESC LIMIT $3

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL ORDER BY "tasks"."priority" DESC, "tasks"."task_id" DESC LIMIT $3

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags", (SELECT "seen"."version" FROM "tasks" AS "seen" WHERE "seen"."task_id" = "tasks"."task_id") AS "seen_version" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."task_id" = $3 LIMIT $4 FOR UPDATE

-- tasks
SELECT COUNT(*) AS num_items FROM (SELECT "outbox"."position", "outbox"."event_id", "outbox"."shard", "outbox"."topic", "outbox"."partition_key", "outbox"."event_type", "outbox"."source", "outbox"."payload", "outbox"."traceparent", "outbox"."tracestate", "outbox"."create_time" FROM "outbox") AS "sub_query"

-- tasks
SELECT event_id, handler FROM inbox WHERE event_id = ANY ($1::uuid[])

-- tasks
SELECT following.*
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS gone (partition_key, topic, position)
CROSS JOIN LATERAL (
    SELECT
        position, event_id, shard, topic, partition_key, event_type, source, payload, traceparent, tracestate,
        create_time
    FROM outbox
    WHERE partition_key = gone.partition_key AND topic = gone.topic AND position > gone.position
    ORDER BY position
    LIMIT 1
) AS following
ORDER BY following.position

-- tasks
SELECT tasks.*, (
    SELECT string_agg(tag, U&'\001f') FROM task_tags WHERE task_tags.task_id = tasks.task_id
) AS joined_tags
FROM unnest($1::uuid[], $2::text[]) AS asked (task_id, user_id) JOIN tasks USING (task_id, user_id)

-- tasks
UPDATE "idempotency_keys" SET "response" = $1 WHERE "idempotency_keys"."user_id" = $2 AND "idempotency_keys"."request_id" = $3

-- tasks
UPDATE "tasks" SET "awaits_successor" = $1 WHERE "tasks"."task_id" = $2

-- tasks
UPDATE "tasks" SET "task_id" = $1, "user_id" = $2, "title" = $3, "description" = $4, "state" = $5, "priority" = $6, "due_time" = $7, "due_date" = $8, "time_zone" = $9, "recurrence" = $10, "reminders" = $11, "series_id" = $12, "occurrence_time" = $13, "series_start" = $14, "series_start_index" = $15, "series_index" = $16, "awaits_successor" = $17, "version" = $18, "create_time" = $19, "update_time" = $20, "complete_time" = $21, "complete_version" = $22, "delete_time" = $23 WHERE "tasks"."task_id" = $24

-- tasks
UPDATE "tasks" SET "user_seq" = $1 WHERE "tasks"."task_id" = $2

-- tasks
WITH expired AS (
    SELECT relay_id FROM relays
    WHERE expire_time <= (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    FOR UPDATE SKIP LOCKED
)
DELETE FROM relays USING expired WHERE relays.relay_id = expired.relay_id

-- tasks
WITH free AS MATERIALIZED (
    SELECT shard, epoch
    FROM relay_shards AS shards
    WHERE NOT EXISTS (SELECT 1 FROM relays AS owners WHERE owners.relay_id = shards.relay_id)
    ORDER BY shard
    LIMIT $2::bigint
), locked AS (
    SELECT shards.shard
    FROM relay_shards AS shards
    JOIN free ON free.shard = shards.shard AND free.epoch = shards.epoch
    FOR UPDATE OF shards SKIP LOCKED
)
UPDATE relay_shards AS shards
SET relay_id = $1::uuid, epoch = shards.epoch + 1
FROM locked
WHERE shards.shard = locked.shard
    AND EXISTS (
        SELECT 1 FROM relays
        WHERE relay_id = $1::uuid AND expire_time > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    )
RETURNING shards.shard, shards.epoch

-- tasks
WITH held AS (
    SELECT shards.shard
    FROM relay_shards AS shards
    JOIN relays ON relays.relay_id = shards.relay_id
    JOIN unnest($3::smallint[], $4::bigint[]) AS ours (shard, epoch)
        ON ours.shard = shards.shard AND ours.epoch = shards.epoch
    WHERE shards.relay_id = $2::uuid
        AND relays.expire_time > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
), removed AS (
    DELETE FROM outbox WHERE event_id = ANY ($1::uuid[]) AND shard IN (SELECT shard FROM held)
)
SELECT count(*) = cardinality($3::smallint[]) AS held FROM held

-- tasks
WITH renewed AS (
    UPDATE relays
    SET expire_time = (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + $2::bigint
    WHERE relay_id = $1::uuid AND expire_time > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    RETURNING relay_id
), census AS (
    SELECT
        EXISTS (SELECT 1 FROM renewed) AS renewed,
        count(*) FILTER (WHERE expire_time > now.micros) AS live,
        count(*) FILTER (WHERE expire_time > now.micros AND relay_id < $1::uuid) AS rank,
        count(*) FILTER (WHERE expire_time <= now.micros) AS expired,
        (
            SELECT count(*) FROM relay_shards AS shards
            WHERE NOT EXISTS (SELECT 1 FROM relays AS owners WHERE owners.relay_id = shards.relay_id)
        ) AS free
    FROM relays, (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS micros) AS now
)
SELECT census.*, head.*
FROM census
LEFT JOIN LATERAL (
    SELECT
        position, event_id, shard, topic, partition_key, event_type, source, payload, traceparent, tracestate,
        create_time
    FROM outbox
    WHERE census.renewed AND position > $5::bigint AND shard = ANY ($3::smallint[]) AND topic = ANY ($4::text[])
        AND NOT EXISTS (
            SELECT 1 FROM outbox AS earlier
            WHERE earlier.partition_key = outbox.partition_key AND earlier.topic = outbox.topic
                AND earlier.position < outbox.position
        )
    ORDER BY position
    LIMIT $6::bigint
) AS head ON TRUE
ORDER BY head.position

