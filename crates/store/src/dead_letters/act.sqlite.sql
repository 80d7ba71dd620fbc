INSERT INTO dead_letter_actions (
    action_id, letter_id, action, actor, reason, replay_id, only_failed_handler, create_time
)
SELECT
    unhex(value ->> 'action_id'), unhex(value ->> 'letter_id'), value ->> 'action', value ->> 'actor', value ->> 'reason',
    unhex(value ->> 'replay_id'), value ->> 'only_failed_handler', value ->> 'create_time'
FROM json_each($1)
