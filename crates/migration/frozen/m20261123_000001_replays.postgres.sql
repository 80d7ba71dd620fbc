ALTER TABLE "outbox" ADD COLUMN "raw" bool NOT NULL DEFAULT FALSE;
ALTER TABLE "outbox" ADD COLUMN "handler" text NULL;
ALTER TABLE "outbox" ADD COLUMN "republish_of" uuid NULL;
