INSERT INTO dead_letters (
    letter_id, state, handler, event_id, event_type, pubsub, topic, partition_key, source_partition, source_offset,
    headers, reason, original, failures, first_failure_time, last_failure_time, replay_id, update_time
)
SELECT
    letter_id, 'OPEN', handler, event_id, NULLIF(event_type, ''), pubsub, topic, partition_key,
    NULLIF(source_partition, -1), NULLIF(source_offset, -1), headers::json, reason, original, 1,
    failure_time, failure_time, NULLIF(replay_id, '00000000-0000-0000-0000-000000000000'::uuid), failure_time
FROM unnest(
    $1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::integer[], $9::bigint[],
    $10::text[], $11::text[], $12::bytea[], $13::bigint[], $14::uuid[]
) AS letters (
    letter_id, handler, event_id, event_type, pubsub, topic, partition_key, source_partition, source_offset,
    headers, reason, original, failure_time, replay_id
)
ORDER BY event_id, handler, topic
ON CONFLICT (event_id, handler, topic) DO UPDATE SET
    state = 'OPEN',
    reason = CASE
        WHEN EXCLUDED.last_failure_time < dead_letters.last_failure_time THEN dead_letters.reason
        ELSE EXCLUDED.reason
    END,
    failures = dead_letters.failures + 1,
    first_failure_time = least(dead_letters.first_failure_time, EXCLUDED.first_failure_time),
    last_failure_time = greatest(dead_letters.last_failure_time, EXCLUDED.last_failure_time),
    replay_id = EXCLUDED.replay_id,
    update_time = greatest(dead_letters.update_time, EXCLUDED.update_time)
-- What no replay brought is what the letter was made of; what the last counted replay brought is counted.
WHERE EXCLUDED.replay_id IS NOT NULL
    AND EXCLUDED.replay_id IS DISTINCT FROM dead_letters.replay_id
    -- A letter that has ended is not opened again by what failed before that, unless that is its newest replay.
    AND (
        dead_letters.state = 'OPEN'
        OR EXCLUDED.last_failure_time >= dead_letters.update_time
        OR EXCLUDED.replay_id = (
            SELECT acts.replay_id
            FROM dead_letter_actions AS acts
            WHERE acts.letter_id = dead_letters.letter_id AND acts.replay_id IS NOT NULL
            ORDER BY acts.create_time DESC, acts.action_id DESC
            LIMIT 1
        )
    )
