INSERT INTO reminders (
    task_id, number, user_id, planned_time, remind_time, channels, state, generation, snoozed, firing_id, fire_time,
    publish_time, update_time
)
SELECT
    unhex(value ->> 'task_id'), value ->> 'number', value ->> 'user_id', value ->> 'planned_time',
    value ->> 'remind_time', value ->> 'channels', value ->> 'state', value ->> 'generation', value ->> 'snoozed',
    unhex(value ->> 'firing_id'), value ->> 'fire_time', value ->> 'fire_time', value ->> 'update_time'
FROM json_each($1)
WHERE TRUE
ON CONFLICT (task_id, number) DO UPDATE SET
    planned_time = excluded.planned_time,
    remind_time = excluded.remind_time,
    channels = excluded.channels,
    state = excluded.state,
    generation = excluded.generation,
    snoozed = excluded.snoozed,
    firing_id = excluded.firing_id,
    fire_time = excluded.fire_time,
    -- The same firing was published when it was.
    publish_time = CASE
        WHEN excluded.firing_id = reminders.firing_id THEN reminders.publish_time
        ELSE excluded.publish_time
    END,
    armed_by = CASE
        WHEN excluded.state = reminders.state AND excluded.generation = reminders.generation THEN reminders.armed_by
    END,
    claim_expire_time = CASE
        WHEN excluded.state = reminders.state AND excluded.generation = reminders.generation
            THEN reminders.claim_expire_time
    END,
    update_time = excluded.update_time
