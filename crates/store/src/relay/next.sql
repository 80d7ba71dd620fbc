SELECT following.*
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS gone (partition_key, topic, position)
CROSS JOIN LATERAL (
    SELECT
        position, event_id, shard, topic, partition_key, event_type, source, payload, traceparent, tracestate,
        create_time
    FROM outbox
    WHERE partition_key = gone.partition_key AND topic = gone.topic AND position > gone.position
    ORDER BY position
    LIMIT 1
) AS following
ORDER BY following.position
