-- Begins events for a handler: each that it has not had yet, and each that it had given up and that a new replay brings
-- once more; what follows reads `begun`. The receipts of the replays come first, and tell which replays are new. They are
-- under a name of their own, $7, so that no id is both here. Sorted, as in every other transaction.
WITH receipts AS (
    INSERT INTO inbox (handler, event_id, state, create_time)
    SELECT $7::text, replay, 'DONE', $2::bigint FROM unnest($6::uuid[]) AS replays (replay) ORDER BY replay
    ON CONFLICT (event_id, handler) DO NOTHING
    RETURNING event_id
), again AS MATERIALIZED (
    SELECT event_id FROM unnest($5::uuid[], $6::uuid[]) AS replays (event_id, replay)
    -- IS TRUE, so that the receipts are hashed: the planner takes them for few, and would compare each with each.
    WHERE (replay IN (SELECT event_id FROM receipts)) IS TRUE
), begun AS (
    INSERT INTO inbox (handler, event_id, state, create_time)
    SELECT $1::text, event_id, 'DONE', $2::bigint
    FROM unnest($3::uuid[], $4::boolean[]) AS arrived (event_id, plain)
    WHERE plain OR event_id IN (SELECT event_id FROM again)
    ORDER BY event_id
    ON CONFLICT (event_id, handler) DO UPDATE
    SET state = 'DONE', reason = NULL, create_time = EXCLUDED.create_time
    WHERE inbox.state = 'DEAD' AND EXCLUDED.event_id IN (SELECT event_id FROM again)
    RETURNING event_id
)
