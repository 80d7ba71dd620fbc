WITH renewed AS (
    UPDATE relays
    SET expire_time = (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + $2::bigint
    WHERE relay_id = $1::uuid AND expire_time > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    RETURNING relay_id
), census AS (
    SELECT
        EXISTS (SELECT 1 FROM renewed) AS renewed,
        count(*) FILTER (WHERE expire_time > now.micros) AS live,
        count(*) FILTER (WHERE expire_time > now.micros AND relay_id < $1::uuid) AS rank,
        count(*) FILTER (WHERE expire_time <= now.micros) AS expired,
        (
            SELECT count(*) FROM relay_shards AS shards
            WHERE NOT EXISTS (SELECT 1 FROM relays AS owners WHERE owners.relay_id = shards.relay_id)
        ) AS free
    FROM relays, (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS micros) AS now
)
SELECT census.*, head.*
FROM census
LEFT JOIN LATERAL (
    SELECT *
    FROM (
        SELECT page.*, sum(length(payload)) OVER (ORDER BY position) - length(payload) AS before
        FROM (
            SELECT
                position, event_id, shard, topic, partition_key, event_type, source, payload, traceparent, tracestate,
                create_time, raw, handler, republish_of
            FROM outbox
            WHERE census.renewed AND position > $5::bigint AND shard = ANY ($3::smallint[]) AND topic = ANY ($4::text[])
                AND NOT EXISTS (
                    SELECT 1 FROM outbox AS earlier
                    WHERE earlier.partition_key = outbox.partition_key AND earlier.topic = outbox.topic
                        AND earlier.position < outbox.position
                )
            ORDER BY position
            LIMIT $6::bigint
        ) AS page
    ) AS sized
    WHERE before < $7::bigint
) AS head ON TRUE
ORDER BY head.position
