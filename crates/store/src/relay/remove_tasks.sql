-- As remove.sql, for the outbox of the tasks: what is removed is kept as published, but for what was so before.
WITH held AS (
    SELECT shards.shard
    FROM relay_shards AS shards
    JOIN relays ON relays.relay_id = shards.relay_id
    JOIN unnest($3::smallint[], $4::bigint[]) AS ours (shard, epoch)
        ON ours.shard = shards.shard AND ours.epoch = shards.epoch
    WHERE shards.relay_id = $2::uuid
        AND relays.expire_time > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
), removed AS (
    DELETE FROM outbox WHERE event_id = ANY ($1::uuid[]) AND shard IN (SELECT shard FROM held)
    RETURNING outbox.*
), kept AS (
    INSERT INTO published_events (
        event_id, partition_key, topic, event_type, source, payload, traceparent, tracestate, create_time, publish_time
    )
    SELECT
        event_id, partition_key, topic, event_type, source, payload, traceparent, tracestate, create_time,
        (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    FROM removed
    WHERE source = 'docket/tasks' AND NOT raw AND republish_of IS NULL
    ON CONFLICT (event_id) DO NOTHING
)
SELECT count(*) = cardinality($3::smallint[]) AS held FROM held
