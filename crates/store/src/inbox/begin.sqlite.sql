-- The second half of begin.sql: $4 are those events among $3 that a new replay brings.
INSERT INTO inbox (handler, event_id, state, create_time)
SELECT $1, unhex(value), 'DONE', $2 FROM json_each($3) WHERE TRUE
ON CONFLICT (event_id, handler) DO UPDATE
SET state = 'DONE', reason = NULL, create_time = excluded.create_time
WHERE inbox.state = 'DEAD' AND excluded.event_id IN (SELECT unhex(value) FROM json_each($4))
RETURNING event_id
