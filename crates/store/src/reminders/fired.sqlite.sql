UPDATE reminders
SET state = fired.state,
    firing_id = fired.firing_id,
    fire_time = fired.fire_time,
    publish_time = CASE WHEN fired.firing_id = reminders.firing_id THEN reminders.publish_time ELSE fired.fire_time END,
    armed_by = NULL,
    claim_expire_time = NULL,
    update_time = fired.update_time
FROM (
    SELECT
        unhex(value ->> 'task_id') AS task_id, value ->> 'number' AS number, value ->> 'state' AS state,
        unhex(value ->> 'firing_id') AS firing_id, value ->> 'fire_time' AS fire_time,
        value ->> 'update_time' AS update_time
    FROM json_each($1)
) AS fired
WHERE reminders.task_id = fired.task_id AND reminders.number = fired.number
