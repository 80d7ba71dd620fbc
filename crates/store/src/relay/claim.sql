WITH free AS MATERIALIZED (
    SELECT shard, epoch
    FROM relay_shards AS shards
    WHERE NOT EXISTS (SELECT 1 FROM relays AS owners WHERE owners.relay_id = shards.relay_id)
    ORDER BY shard
    LIMIT $2::bigint
), locked AS (
    SELECT shards.shard
    FROM relay_shards AS shards
    JOIN free ON free.shard = shards.shard AND free.epoch = shards.epoch
    FOR UPDATE OF shards SKIP LOCKED
)
UPDATE relay_shards AS shards
SET relay_id = $1::uuid, epoch = shards.epoch + 1
FROM locked
WHERE shards.shard = locked.shard
    AND EXISTS (
        SELECT 1 FROM relays
        WHERE relay_id = $1::uuid AND expire_time > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    )
RETURNING shards.shard, shards.epoch
