SELECT
    EXISTS (SELECT 1 FROM reminders WHERE state = 'PENDING' AND remind_time < $1) AS overdue,
    EXISTS (SELECT 1 FROM reminders WHERE state = 'FIRED' AND publish_time < $3) AS unclosed,
    unarmed.*
FROM (SELECT 1) AS always
LEFT JOIN (
    SELECT task_id, number, generation, remind_time
    FROM reminders
    WHERE state = 'PENDING' AND armed_by IS NULL AND remind_time < $2
    ORDER BY remind_time
    LIMIT {limit}
) AS unarmed ON TRUE
