CREATE TABLE "relays" ( "relay_id" uuid NOT NULL PRIMARY KEY, "expire_time" bigint NOT NULL );
CREATE TABLE "relay_shards" ( "shard" smallint NOT NULL PRIMARY KEY, "relay_id" uuid NULL, "epoch" bigint NOT NULL );
INSERT INTO relay_shards (shard, epoch) SELECT generate_series(0, 63), 0;
