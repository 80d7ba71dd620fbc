WITH locked AS MATERIALIZED (
    -- Sorted, so that two who set the same do not wait for each other in a circle.
    SELECT user_id FROM preferences WHERE user_id = ANY ($1::text[]) ORDER BY user_id FOR UPDATE
)
UPDATE preferences
SET next_digest_time = CASE WHEN digests.goes_on THEN digests.next END
FROM unnest($1::text[], $2::bigint[], $3::boolean[], $4::bigint[]) AS digests (user_id, expect, goes_on, next)
-- About no row, and so it is answered before the first is touched.
WHERE (SELECT count(*) FROM locked) > 0
    AND preferences.user_id = digests.user_id
    AND preferences.user_id = ANY ($1::text[])
    AND preferences.next_digest_time = digests.expect
RETURNING preferences.user_id
