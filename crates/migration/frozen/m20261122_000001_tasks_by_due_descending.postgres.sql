CREATE INDEX tasks_by_due_descending ON tasks (user_id, due_time DESC NULLS LAST, task_id DESC);
