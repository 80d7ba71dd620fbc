INSERT INTO relays (relay_id, expire_time)
VALUES ($1::uuid, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + $2::bigint)
