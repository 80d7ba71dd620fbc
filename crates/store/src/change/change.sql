-- Writes the change of a task that its transaction has locked: the event, the answer to the call, the owner's sequence,
-- and the row with its number in that sequence.
WITH told AS (
    INSERT INTO outbox (
        event_id, shard, topic, partition_key, event_type, source, payload, traceparent, tracestate, create_time
    )
    VALUES ($24, $25, $26, $27, $28, $29, $30, $31, $32, $33)
), answered AS (
    UPDATE idempotency_keys SET response = $36 WHERE user_id = $34 AND request_id = $35
), raised AS (
    INSERT INTO user_sequences (user_id, last_seq) VALUES ($34, 1)
    ON CONFLICT (user_id) DO UPDATE SET last_seq = user_sequences.last_seq + 1
    RETURNING last_seq
)
UPDATE tasks
SET title = $2, description = $3, state = $4, priority = $5, due_time = $6, due_date = $7, time_zone = $8,
    recurrence = $9, reminders = $10, series_id = $11, occurrence_time = $12, series_start = $13,
    series_start_index = $14, series_index = $15, version = $16, update_time = $17, complete_time = $18,
    complete_version = $19, delete_time = $20,
    awaits_successor = CASE WHEN $21 THEN $22 ELSE awaits_successor END,
    user_seq = raised.last_seq
FROM raised
WHERE tasks.task_id = $1 AND tasks.user_id = $23
