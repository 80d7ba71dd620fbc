SELECT counted.events, oldest.position, oldest.create_time AS oldest
FROM (
    SELECT count(*) AS events, min(CASE WHEN republish_of IS NULL THEN position END) AS position
    FROM (SELECT position, republish_of FROM outbox ORDER BY position LIMIT $1) AS waiting
) AS counted
LEFT JOIN outbox AS oldest ON oldest.position = counted.position
