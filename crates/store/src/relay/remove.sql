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
)
SELECT count(*) = cardinality($3::smallint[]) AS held FROM held
