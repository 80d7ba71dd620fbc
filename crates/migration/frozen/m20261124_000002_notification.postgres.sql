CREATE TABLE "preferences" ( "user_id" text NOT NULL PRIMARY KEY, "version" bigint NOT NULL, "time_zone" text NOT NULL, "all_day_time" text NOT NULL, "channels" json NOT NULL, "email" text NULL, "push_tokens" json NOT NULL, "webhook_url" text NULL, "webhook_secret" bytea NULL, "quiet_start" text NULL, "quiet_end" text NULL, "digest_time" text NULL, "digest_channels" json NULL, "locale" text NOT NULL, "unsubscribed" json NOT NULL, "unsubscribe_token" bytea NOT NULL, "next_digest_time" bigint NULL, "update_time" bigint NOT NULL );
CREATE UNIQUE INDEX "preferences_one_per_token" ON "preferences" ("unsubscribe_token");
CREATE INDEX "preferences_by_digest" ON "preferences" ("next_digest_time", "user_id") WHERE "next_digest_time" IS NOT NULL;
CREATE TABLE "deliveries" ( "delivery_id" uuid NOT NULL PRIMARY KEY, "kind" text NOT NULL, "subject" text NOT NULL, "channel" text NOT NULL, "user_id" text NOT NULL, "task_id" uuid NULL, "reminder_id" uuid NULL, "title" text NOT NULL, "content" json NOT NULL, "traceparent" text NULL, "tracestate" text NULL, "remind_time" bigint NOT NULL, "state" text NOT NULL, "attempts" integer NOT NULL, "wake_time" bigint NULL, "postponed" bool NOT NULL, "reason" text NULL, "create_time" bigint NOT NULL, "finish_time" bigint NULL );
CREATE UNIQUE INDEX "deliveries_one_per_channel" ON "deliveries" ("subject", "channel");
CREATE INDEX "deliveries_by_wake" ON "deliveries" ("channel", "wake_time", "delivery_id") WHERE "wake_time" IS NOT NULL;
CREATE INDEX "deliveries_by_user" ON "deliveries" ("user_id", "create_time", "delivery_id");
CREATE INDEX "deliveries_by_task" ON "deliveries" ("task_id", "create_time", "delivery_id") WHERE "task_id" IS NOT NULL;
CREATE INDEX "deliveries_ended" ON "deliveries" ("finish_time") WHERE "finish_time" IS NOT NULL;
