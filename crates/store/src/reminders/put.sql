INSERT INTO reminders (
    task_id, number, user_id, planned_time, remind_time, channels, state, generation, snoozed, firing_id, fire_time,
    publish_time, update_time
)
SELECT
    task_id, number, user_id, planned_time, remind_time, channels::json, state, generation, snoozed,
    NULLIF(firing_id, '00000000-0000-0000-0000-000000000000'::uuid), NULLIF(fire_time, '-9223372036854775808'::bigint),
    NULLIF(fire_time, '-9223372036854775808'::bigint), update_time
FROM unnest(
    $1::uuid[], $2::smallint[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::bigint[],
    $9::boolean[], $10::uuid[], $11::bigint[], $12::bigint[]
) AS rows (
    task_id, number, user_id, planned_time, remind_time, channels, state, generation, snoozed, firing_id, fire_time,
    update_time
)
ORDER BY task_id, number
ON CONFLICT (task_id, number) DO UPDATE SET
    planned_time = EXCLUDED.planned_time,
    remind_time = EXCLUDED.remind_time,
    channels = EXCLUDED.channels,
    state = EXCLUDED.state,
    generation = EXCLUDED.generation,
    snoozed = EXCLUDED.snoozed,
    firing_id = EXCLUDED.firing_id,
    fire_time = EXCLUDED.fire_time,
    -- The same firing was published when it was.
    publish_time = CASE
        WHEN EXCLUDED.firing_id = reminders.firing_id THEN reminders.publish_time
        ELSE EXCLUDED.publish_time
    END,
    armed_by = CASE
        WHEN EXCLUDED.state = reminders.state AND EXCLUDED.generation = reminders.generation THEN reminders.armed_by
    END,
    claim_expire_time = CASE
        WHEN EXCLUDED.state = reminders.state AND EXCLUDED.generation = reminders.generation
            THEN reminders.claim_expire_time
    END,
    update_time = EXCLUDED.update_time
