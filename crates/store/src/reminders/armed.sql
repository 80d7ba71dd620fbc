UPDATE reminders
SET armed_by = $4::text, claim_expire_time = NULL
FROM (
    SELECT reminders.task_id, reminders.number
    FROM unnest($1::uuid[], $2::smallint[], $3::bigint[]) AS named (task_id, number, generation)
    JOIN reminders ON reminders.task_id = named.task_id AND reminders.number = named.number
    WHERE reminders.state = 'PENDING' AND reminders.generation = named.generation
    FOR UPDATE OF reminders SKIP LOCKED
) AS armed
WHERE reminders.task_id = armed.task_id AND reminders.number = armed.number
