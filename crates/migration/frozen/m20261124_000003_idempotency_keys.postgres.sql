CREATE TABLE "idempotency_keys" ( "user_id" text NOT NULL, "request_id" uuid NOT NULL, "method" text NOT NULL, "body_hash" bytea NOT NULL, "response" bytea NOT NULL, "create_time" bigint NOT NULL, PRIMARY KEY ("user_id", "request_id") );
CREATE INDEX "idempotency_keys_by_time" ON "idempotency_keys" ("create_time");
