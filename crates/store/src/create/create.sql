-- Creates the tasks of a batch. Locks are taken in the order of every other transaction: idempotency keys, then the users'
-- sequences, both sorted, so that batches cannot wait for each other in a circle; the tasks are new and nobody's yet.
--
-- What one user's rows are locked by must not keep the others waiting: the batch gives up soon, and each goes alone.
WITH patience AS MATERIALIZED (
    SELECT set_config('lock_timeout', '200ms', TRUE)
), input AS MATERIALIZED (
    SELECT input.* FROM patience, unnest(
        $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::bigint[], $8::text[],
        $9::text[], $10::text[], $11::text[], $12::uuid[], $13::bigint[], $14::text[], $15::integer[], $16::integer[],
        $17::boolean[], $18::bigint[], $19::bigint[],
        $20::uuid[], $21::text[], $22::bytea[], $23::bytea[],
        $24::uuid[], $25::smallint[], $26::text[], $27::text[], $28::text[], $29::text[], $30::bytea[], $31::text[],
        $32::text[]
    ) WITH ORDINALITY AS input (
        task_id, user_id, title, description, state, priority, due_time, due_date,
        time_zone, recurrence, reminders, series_id, occurrence_time, series_start, series_start_index, series_index,
        awaits_successor, version, create_time,
        request_id, method, body_hash, response,
        event_id, shard, topic, partition_key, event_type, source, payload, traceparent,
        tracestate, number
    )
), claimed AS (
    INSERT INTO idempotency_keys (user_id, request_id, method, body_hash, response, create_time)
    SELECT user_id, request_id, method, body_hash, response, create_time
    FROM input WHERE request_id IS NOT NULL ORDER BY user_id, request_id
    ON CONFLICT DO NOTHING
    RETURNING user_id, request_id
), fresh AS MATERIALIZED (
    SELECT input.*,
           row_number() OVER (PARTITION BY user_id ORDER BY number) AS step,
           count(*) OVER (PARTITION BY user_id) AS steps
    FROM input
    WHERE request_id IS NULL OR (user_id, request_id) IN (SELECT user_id, request_id FROM claimed)
), raised AS (
    INSERT INTO user_sequences (user_id, last_seq)
    SELECT user_id, count(*) FROM fresh GROUP BY user_id ORDER BY user_id
    ON CONFLICT (user_id) DO UPDATE SET last_seq = user_sequences.last_seq + EXCLUDED.last_seq
    RETURNING user_id, last_seq
), created AS (
    INSERT INTO tasks (
        task_id, user_id, title, description, state, priority, due_time, due_date, time_zone, recurrence, reminders,
        series_id, occurrence_time, series_start, series_start_index, series_index, awaits_successor, version, user_seq,
        create_time, update_time
    )
    SELECT task_id, user_id, title, description, state, priority, due_time, due_date, time_zone, recurrence::json,
           reminders::json, series_id, occurrence_time, series_start, series_start_index, series_index, awaits_successor, version,
           last_seq - steps + step, create_time, create_time
    FROM fresh JOIN raised USING (user_id)
), tagged AS (
    INSERT INTO task_tags (task_id, tag)
    SELECT task_id, tag FROM unnest($33::uuid[], $34::text[]) AS tagged (task_id, tag) JOIN fresh USING (task_id)
), placed AS (
    INSERT INTO occurrences (task_id, series_id, occurrence_time)
    SELECT task_id, series_id, occurrence_time FROM fresh WHERE series_id IS NOT NULL
), told AS (
    INSERT INTO outbox (
        event_id, shard, topic, partition_key, event_type, source, payload, traceparent, tracestate, create_time
    )
    SELECT event_id, shard, topic, partition_key, event_type, source, payload, traceparent, tracestate, create_time
    FROM fresh ORDER BY number
)
SELECT task_id FROM fresh
