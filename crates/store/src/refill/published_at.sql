-- The events of some keys at some times: a look into the index for each.
SELECT published_events.*
FROM unnest($1::text[], $2::bigint[]) AS wanted (partition_key, create_time)
JOIN published_events USING (partition_key, create_time)
WHERE published_events.topic = $3
