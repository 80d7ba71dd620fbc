CREATE TABLE "audit_entries" ( "event_id" uuid_text NOT NULL PRIMARY KEY, "event_type" text NOT NULL, "task_id" uuid_text NOT NULL, "user_id" text NOT NULL, "task_version" integer NOT NULL, "event_time" integer NOT NULL, "record_time" integer NOT NULL, "before" json_text NULL, "after" json_text NOT NULL, "trace_id" text NULL );
CREATE INDEX "audit_entries_by_time" ON "audit_entries" ("user_id", "event_time", "task_version", "event_id");
CREATE INDEX "audit_entries_by_task" ON "audit_entries" ("task_id", "event_time", "task_version", "event_id");
