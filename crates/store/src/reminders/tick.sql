-- The least of an index is there at once, and tells that there is nothing to do: a comparison of a column would leave it to the
-- planner to read the table instead. What has no alarm is claimed, so that those who make alarms share the work.
WITH unarmed AS (
    SELECT task_id, number
    FROM reminders
    WHERE state = 'PENDING' AND armed_by IS NULL AND remind_time < $2::bigint
        AND (claim_expire_time IS NULL OR claim_expire_time <= $4::bigint)
        AND (SELECT min(remind_time) FROM reminders WHERE state = 'PENDING' AND armed_by IS NULL) < $2::bigint
    ORDER BY remind_time
    LIMIT {limit}
    FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE reminders
    SET claim_expire_time = $5::bigint
    FROM unarmed
    WHERE reminders.task_id = unarmed.task_id AND reminders.number = unarmed.number
    RETURNING reminders.task_id, reminders.number, reminders.generation, reminders.remind_time
)
SELECT
    COALESCE((SELECT min(remind_time) FROM reminders WHERE state = 'PENDING') < $1::bigint, FALSE) AS overdue,
    COALESCE((SELECT min(publish_time) FROM reminders WHERE state = 'FIRED') < $3::bigint, FALSE) AS unclosed,
    claimed.*
FROM (SELECT 1) AS always
LEFT JOIN claimed ON TRUE
