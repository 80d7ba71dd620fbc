CREATE TABLE "audit_entries" ( "event_id" uuid NOT NULL PRIMARY KEY, "event_type" text NOT NULL, "task_id" uuid NOT NULL, "user_id" text NOT NULL, "task_version" bigint NOT NULL, "event_time" bigint NOT NULL, "record_time" bigint NOT NULL, "before" json NULL, "after" json NOT NULL, "trace_id" text NULL );
CREATE INDEX "audit_entries_by_time" ON "audit_entries" ("user_id", "event_time", "task_version", "event_id");
CREATE INDEX "audit_entries_by_task" ON "audit_entries" ("task_id", "event_time", "task_version", "event_id");
