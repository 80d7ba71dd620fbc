UPDATE relay_shards SET relay_id = NULL WHERE relay_id = $1::uuid AND shard = ANY ($2::smallint[])
