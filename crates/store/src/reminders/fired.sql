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
        task_id, number, state, NULLIF(firing_id, '00000000-0000-0000-0000-000000000000'::uuid) AS firing_id,
        NULLIF(fire_time, '-9223372036854775808'::bigint) AS fire_time, update_time
    FROM unnest($1::uuid[], $2::smallint[], $3::text[], $4::uuid[], $5::bigint[], $6::bigint[])
        AS rows (task_id, number, state, firing_id, fire_time, update_time)
) AS fired
WHERE reminders.task_id = fired.task_id AND reminders.number = fired.number
