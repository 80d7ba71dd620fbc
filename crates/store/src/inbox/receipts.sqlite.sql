INSERT INTO inbox (handler, event_id, state, create_time)
SELECT $1, unhex(value), 'DONE', $2 FROM json_each($3) WHERE TRUE
ON CONFLICT (event_id, handler) DO NOTHING
RETURNING event_id
