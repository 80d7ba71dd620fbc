CREATE TABLE "published_events" ( "event_id" uuid NOT NULL PRIMARY KEY, "partition_key" text NOT NULL, "topic" text NOT NULL, "event_type" text NOT NULL, "source" text NOT NULL, "payload" bytea NOT NULL, "traceparent" text NULL, "tracestate" text NULL, "create_time" bigint NOT NULL, "publish_time" bigint NOT NULL );
CREATE INDEX "published_events_by_key" ON "published_events" ("partition_key", "create_time", "event_id");
CREATE INDEX "published_events_by_time" ON "published_events" ("publish_time");
CREATE INDEX "idempotency_keys_by_time" ON "idempotency_keys" ("create_time");
