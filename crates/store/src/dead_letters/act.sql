WITH acts AS (
    SELECT *
    FROM unnest(
        $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::boolean[], $8::boolean[],
        $9::bigint[]
    ) AS acts (
        action_id, letter_id, action, actor, reason, replay_id, is_replay, only_failed_handler, create_time
    )
), moved AS (
    UPDATE dead_letters
    SET state = acts.action,
        update_time = acts.create_time
    FROM acts
    WHERE dead_letters.letter_id = acts.letter_id
)
INSERT INTO dead_letter_actions (
    action_id, letter_id, action, actor, reason, replay_id, only_failed_handler, create_time
)
SELECT
    action_id, letter_id, action, actor, CASE WHEN NOT is_replay THEN reason END,
    CASE WHEN is_replay THEN replay_id END, only_failed_handler, create_time
FROM acts
