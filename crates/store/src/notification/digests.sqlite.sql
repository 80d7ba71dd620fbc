UPDATE preferences
SET next_digest_time = digests.next
FROM (
    SELECT value ->> 'user_id' AS user_id, value ->> 'expect' AS expect, value ->> 'next' AS next FROM json_each($1)
) AS digests
WHERE preferences.user_id = digests.user_id AND preferences.next_digest_time = digests.expect
RETURNING user_id
