CREATE INDEX "inbox_by_time" ON "inbox" ("create_time");
