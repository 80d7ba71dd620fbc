-- all
DELETE FROM "occurrences" WHERE "occurrences"."task_id" = ?

-- all
DELETE FROM "outbox" WHERE "outbox"."event_id" IN (?)

-- all
DELETE FROM "task_tags" WHERE "task_tags"."task_id" = ?

-- all
INSERT INTO "audit_entries" ("event_id", "event_type", "task_id", "user_id", "task_version", "event_time", "record_time", "before", "after", "trace_id") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT ("event_id") DO NOTHING

-- all
INSERT INTO "idempotency_keys" ("user_id", "request_id", "method", "body_hash", "response", "create_time") VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT ("user_id", "request_id") DO NOTHING

-- all
INSERT INTO "inbox" ("event_id", "handler", "state", "reason", "create_time") VALUES (?, ?, ?, ?, ?) ON CONFLICT ("event_id", "handler") DO NOTHING

-- all
INSERT INTO "occurrences" ("task_id", "series_id", "occurrence_time", "predecessor_id") VALUES (?, ?, ?, ?)

-- all
INSERT INTO "outbox" ("event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- all
INSERT INTO "outbox" ("event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- all
INSERT INTO "task_tags" ("task_id", "tag") VALUES (?, ?)

-- all
INSERT INTO "task_tags" ("task_id", "tag") VALUES (?, ?), (?, ?)

-- all
INSERT INTO "tasks" ("task_id", "user_id", "title", "description", "state", "priority", "due_time", "due_date", "time_zone", "recurrence", "reminders", "series_id", "occurrence_time", "series_start", "series_start_index", "series_index", "awaits_successor", "version", "user_seq", "create_time", "update_time", "complete_time", "complete_version", "delete_time") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- all
INSERT INTO "user_sequences" ("user_id", "last_seq") VALUES (?, ?) ON CONFLICT ("user_id") DO UPDATE SET "last_seq" = "user_sequences"."last_seq" + ? RETURNING "user_id", "last_seq"

-- all
SELECT "audit_entries"."event_id", "audit_entries"."event_type", "audit_entries"."task_id", "audit_entries"."user_id", "audit_entries"."task_version", "audit_entries"."event_time", "audit_entries"."record_time", "audit_entries"."before", "audit_entries"."after", "audit_entries"."trace_id" FROM "audit_entries" WHERE "audit_entries"."user_id" = ? AND "audit_entries"."task_id" = ? AND "audit_entries"."event_type" IN (?, ?) AND "audit_entries"."event_time" >= ? AND "audit_entries"."event_time" < ? AND ("audit_entries"."event_time", "audit_entries"."task_version", "audit_entries"."event_id") > (?, ?, ?) ORDER BY "audit_entries"."event_time" ASC, "audit_entries"."task_version" ASC, "audit_entries"."event_id" ASC LIMIT ?

-- all
SELECT "audit_entries"."event_id", "audit_entries"."event_type", "audit_entries"."task_id", "audit_entries"."user_id", "audit_entries"."task_version", "audit_entries"."event_time", "audit_entries"."record_time", "audit_entries"."before", "audit_entries"."after", "audit_entries"."trace_id" FROM "audit_entries" WHERE "audit_entries"."user_id" = ? AND ("audit_entries"."event_time", "audit_entries"."task_version", "audit_entries"."event_id") > (?, ?, ?) ORDER BY "audit_entries"."event_time" ASC, "audit_entries"."task_version" ASC, "audit_entries"."event_id" ASC LIMIT ?

-- all
SELECT "audit_entries"."event_id", "audit_entries"."event_type", "audit_entries"."task_id", "audit_entries"."user_id", "audit_entries"."task_version", "audit_entries"."event_time", "audit_entries"."record_time", "audit_entries"."before", "audit_entries"."after", "audit_entries"."trace_id" FROM "audit_entries" WHERE "audit_entries"."user_id" = ? ORDER BY "audit_entries"."event_time" ASC, "audit_entries"."task_version" ASC, "audit_entries"."event_id" ASC LIMIT ?

-- all
SELECT "idempotency_keys"."user_id", "idempotency_keys"."request_id", "idempotency_keys"."method", "idempotency_keys"."body_hash", "idempotency_keys"."response", "idempotency_keys"."create_time" FROM "idempotency_keys" WHERE "idempotency_keys"."user_id" = ? AND "idempotency_keys"."request_id" = ? LIMIT ?

-- all
SELECT "occurrences"."task_id", "occurrences"."series_id", "occurrences"."occurrence_time", "occurrences"."predecessor_id" FROM "occurrences" WHERE "occurrences"."predecessor_id" = ? LIMIT ?

-- all
SELECT "occurrences"."task_id", "occurrences"."series_id", "occurrences"."occurrence_time", "occurrences"."predecessor_id" FROM "occurrences" WHERE "occurrences"."series_id" = ? AND "occurrences"."occurrence_time" = ? LIMIT ?

-- all
SELECT "outbox"."position", "outbox"."event_id", "outbox"."shard", "outbox"."topic", "outbox"."partition_key", "outbox"."event_type", "outbox"."source", "outbox"."payload", "outbox"."traceparent", "outbox"."tracestate", "outbox"."create_time", (SELECT group_concat("inbox"."handler", ?) FROM "inbox" WHERE "inbox"."event_id" = "outbox"."event_id") AS "receipts" FROM "outbox" WHERE "outbox"."position" > ? AND "outbox"."topic" IN (?) AND (NOT EXISTS(SELECT ? FROM "outbox" AS "earlier" WHERE "earlier"."partition_key" = "outbox"."partition_key" AND "earlier"."topic" = "outbox"."topic" AND "earlier"."position" < "outbox"."position")) ORDER BY "outbox"."position" ASC LIMIT ?

-- all
SELECT "outbox"."position", "outbox"."event_id", "outbox"."shard", "outbox"."topic", "outbox"."partition_key", "outbox"."event_type", "outbox"."source", "outbox"."payload", "outbox"."traceparent", "outbox"."tracestate", "outbox"."create_time", (SELECT group_concat("inbox"."handler", ?) FROM "inbox" WHERE "inbox"."event_id" = "outbox"."event_id") AS "receipts" FROM "outbox" WHERE "outbox"."position" IN (SELECT "position" FROM (SELECT "position" FROM "outbox" WHERE "outbox"."partition_key" = ? AND "outbox"."topic" = ? AND "outbox"."position" > ? ORDER BY "position" ASC LIMIT ?) AS "next" UNION ALL SELECT "position" FROM (SELECT "position" FROM "outbox" WHERE "outbox"."partition_key" = ? AND "outbox"."topic" = ? AND "outbox"."position" > ? ORDER BY "position" ASC LIMIT ?) AS "next") ORDER BY "outbox"."position" ASC

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
SELECT COUNT(*) AS num_items FROM (SELECT "audit_entries"."event_id", "audit_entries"."event_type", "audit_entries"."task_id", "audit_entries"."user_id", "audit_entries"."task_version", "audit_entries"."event_time", "audit_entries"."record_time", "audit_entries"."before", "audit_entries"."after", "audit_entries"."trace_id" FROM "audit_entries" WHERE "audit_entries"."task_id" = ? AND "audit_entries"."user_id" = ? LIMIT ?) AS "sub_query"

-- all
SELECT COUNT(*) AS num_items FROM (SELECT "outbox"."position", "outbox"."event_id", "outbox"."shard", "outbox"."topic", "outbox"."partition_key", "outbox"."event_type", "outbox"."source", "outbox"."payload", "outbox"."traceparent", "outbox"."tracestate", "outbox"."create_time" FROM "outbox") AS "sub_query"

-- all
UPDATE "idempotency_keys" SET "response" = ? WHERE "idempotency_keys"."user_id" = ? AND "idempotency_keys"."request_id" = ?

-- all
UPDATE "tasks" SET "awaits_successor" = ? WHERE "tasks"."task_id" = ?

-- all
UPDATE "tasks" SET "task_id" = ?, "user_id" = ?, "title" = ?, "description" = ?, "state" = ?, "priority" = ?, "due_time" = ?, "due_date" = ?, "time_zone" = ?, "recurrence" = ?, "reminders" = ?, "series_id" = ?, "occurrence_time" = ?, "series_start" = ?, "series_start_index" = ?, "series_index" = ?, "awaits_successor" = ?, "version" = ?, "create_time" = ?, "update_time" = ?, "complete_time" = ?, "complete_version" = ?, "delete_time" = ? WHERE "tasks"."task_id" = ?

-- all
UPDATE "tasks" SET "user_seq" = ? WHERE "tasks"."task_id" = ?

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
all.outbox.partition_key

-- column
all.outbox.payload

-- column
all.outbox.position

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

