WITH expired AS (
    SELECT relay_id FROM relays
    WHERE expire_time <= (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    FOR UPDATE SKIP LOCKED
)
DELETE FROM relays USING expired WHERE relays.relay_id = expired.relay_id
