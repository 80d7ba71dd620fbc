INSERT INTO dead_letters (
    letter_id, state, handler, event_id, event_type, pubsub, topic, partition_key, source_partition, source_offset,
    headers, reason, original, failures, first_failure_time, last_failure_time, replay_id, update_time
)
SELECT
    unhex(value ->> 'letter_id'), 'OPEN', value ->> 'handler', unhex(value ->> 'event_id'), value ->> 'event_type',
    value ->> 'pubsub', value ->> 'topic', value ->> 'partition_key', value ->> 'source_partition',
    value ->> 'source_offset', value ->> 'headers', value ->> 'reason', unhex(value ->> 'original'), 1,
    value ->> 'failure_time', value ->> 'failure_time', unhex(value ->> 'replay_id'), value ->> 'failure_time'
FROM json_each($1)
WHERE TRUE
ON CONFLICT (event_id, handler, topic) DO UPDATE SET
    state = 'OPEN',
    reason = CASE
        WHEN excluded.last_failure_time < dead_letters.last_failure_time THEN dead_letters.reason
        ELSE excluded.reason
    END,
    failures = dead_letters.failures + 1,
    first_failure_time = min(dead_letters.first_failure_time, excluded.first_failure_time),
    last_failure_time = max(dead_letters.last_failure_time, excluded.last_failure_time),
    replay_id = excluded.replay_id,
    update_time = max(dead_letters.update_time, excluded.update_time)
-- What no replay brought is what the letter was made of; what the last counted replay brought is counted.
WHERE excluded.replay_id IS NOT NULL
    AND excluded.replay_id IS NOT dead_letters.replay_id
    -- A letter that has ended is not opened again by what failed before that, unless that is its newest replay.
    AND (
        dead_letters.state = 'OPEN'
        OR excluded.last_failure_time >= dead_letters.update_time
        OR excluded.replay_id = (
            SELECT acts.replay_id
            FROM dead_letter_actions AS acts
            WHERE acts.letter_id = dead_letters.letter_id AND acts.replay_id IS NOT NULL
            ORDER BY acts.create_time DESC, acts.action_id DESC
            LIMIT 1
        )
    )
