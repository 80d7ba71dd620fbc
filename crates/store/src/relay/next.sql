SELECT sized.*
FROM (
    SELECT following.*, sum(length(payload)) OVER (ORDER BY following.position) - length(payload) AS before
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS gone (partition_key, topic, position)
    CROSS JOIN LATERAL (
        SELECT
            position, event_id, shard, topic, partition_key, event_type, source, payload, traceparent, tracestate,
            create_time, raw, handler, republish_of
        FROM outbox
        WHERE partition_key = gone.partition_key AND topic = gone.topic AND position > gone.position
        ORDER BY position
        LIMIT $5::bigint
    ) AS following
) AS sized
WHERE before < $4::bigint
ORDER BY position
