SELECT counted.events, oldest.position, oldest.create_time AS oldest
FROM (
    SELECT count(*) AS events, min(CASE WHEN republish_of IS NULL THEN position END) AS position
    -- The limit first: what belongs to other relays must not make this one read the whole outbox.
    FROM (SELECT position, shard, republish_of FROM outbox ORDER BY position LIMIT $1) AS waiting
    WHERE shard = ANY ($2::smallint[])
) AS counted
LEFT JOIN outbox AS oldest ON oldest.position = counted.position
