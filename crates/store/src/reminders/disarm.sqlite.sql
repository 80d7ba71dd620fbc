UPDATE reminders
SET armed_by = NULL
WHERE (task_id, number) IN (
    SELECT task_id, number
    FROM reminders
    WHERE state = 'PENDING' AND armed_by IS NOT NULL AND armed_by <> $1 AND (task_id, number) > ($2, $3)
    ORDER BY task_id, number
    LIMIT {limit}
)
RETURNING task_id, number
