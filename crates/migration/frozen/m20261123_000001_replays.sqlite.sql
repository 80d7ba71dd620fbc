ALTER TABLE "outbox" ADD COLUMN "raw" boolean NOT NULL DEFAULT FALSE;
ALTER TABLE "outbox" ADD COLUMN "handler" text NULL;
ALTER TABLE "outbox" ADD COLUMN "republish_of" uuid_text NULL;
