-- In the order in which everybody locks reminders.
UPDATE reminders
SET armed_by = NULL, claim_expire_time = NULL
FROM (
    SELECT task_id, number
    FROM reminders
    WHERE state = 'PENDING' AND armed_by IS NOT NULL AND armed_by <> $1::text
        AND (task_id, number) > ($2::uuid, $3::smallint)
    ORDER BY task_id, number
    LIMIT {limit}
    FOR UPDATE
) AS lost
WHERE reminders.task_id = lost.task_id AND reminders.number = lost.number
RETURNING reminders.task_id, reminders.number
