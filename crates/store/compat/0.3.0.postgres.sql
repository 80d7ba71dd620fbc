-- audit
INSERT INTO audit_entries (
    event_id, event_type, task_id, user_id, task_version, event_time, record_time, before, after, trace_id
)
SELECT
    event_id, event_type, task_id, user_id, task_version, event_time, record_time, NULLIF(before, '')::json,
    after::json, NULLIF(trace_id, '')
FROM unnest(
    $1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[], $9::text[],
    $10::text[]
) AS entries (
    event_id, event_type, task_id, user_id, task_version, event_time, record_time, before, after, trace_id
)
ORDER BY event_id
ON CONFLICT (event_id) DO NOTHING

-- audit
SELECT "audit_entries"."event_id", "audit_entries"."event_type", "audit_entries"."task_id", "audit_entries"."user_id", "audit_entries"."task_version", "audit_entries"."event_time", "audit_entries"."record_time", "audit_entries"."before", "audit_entries"."after", "audit_entries"."trace_id" FROM "audit_entries" WHERE "audit_entries"."user_id" = $1 AND "audit_entries"."task_id" = $2 AND "audit_entries"."event_type" IN ($3, $4) AND "audit_entries"."event_time" >= $5 AND "audit_entries"."event_time" < $6 AND ("audit_entries"."event_time", "audit_entries"."task_version", "audit_entries"."event_id") > ($7, $8, $9) ORDER BY "audit_entries"."event_time" ASC, "audit_entries"."task_version" ASC, "audit_entries"."event_id" ASC LIMIT $10

-- audit
SELECT "audit_entries"."event_id", "audit_entries"."event_type", "audit_entries"."task_id", "audit_entries"."user_id", "audit_entries"."task_version", "audit_entries"."event_time", "audit_entries"."record_time", "audit_entries"."before", "audit_entries"."after", "audit_entries"."trace_id" FROM "audit_entries" WHERE "audit_entries"."user_id" = $1 AND ("audit_entries"."event_time", "audit_entries"."task_version", "audit_entries"."event_id") > ($2, $3, $4) ORDER BY "audit_entries"."event_time" ASC, "audit_entries"."task_version" ASC, "audit_entries"."event_id" ASC LIMIT $5

-- audit
SELECT "audit_entries"."event_id", "audit_entries"."event_type", "audit_entries"."task_id", "audit_entries"."user_id", "audit_entries"."task_version", "audit_entries"."event_time", "audit_entries"."record_time", "audit_entries"."before", "audit_entries"."after", "audit_entries"."trace_id" FROM "audit_entries" WHERE "audit_entries"."user_id" = $1 ORDER BY "audit_entries"."event_time" ASC, "audit_entries"."task_version" ASC, "audit_entries"."event_id" ASC LIMIT $2

-- audit
SELECT COUNT(*) AS num_items FROM (SELECT "audit_entries"."event_id", "audit_entries"."event_type", "audit_entries"."task_id", "audit_entries"."user_id", "audit_entries"."task_version", "audit_entries"."event_time", "audit_entries"."record_time", "audit_entries"."before", "audit_entries"."after", "audit_entries"."trace_id" FROM "audit_entries" WHERE "audit_entries"."task_id" = $1 AND "audit_entries"."user_id" = $2 LIMIT $3) AS "sub_query"

-- audit
WITH page AS (
            SELECT task_id FROM audit_entries  GROUP BY task_id ORDER BY task_id LIMIT $1
        ), versions AS (
            SELECT entries.task_id, user_id, task_version,
                COALESCE(lag(task_version) OVER by_version, 0) AS previous,
                lead(task_version) OVER by_version IS NULL AS is_last
            FROM page JOIN audit_entries AS entries ON entries.task_id = page.task_id
            WINDOW by_version AS (PARTITION BY entries.task_id ORDER BY task_version, event_id)
        )
        SELECT task_id, user_id, task_version, previous, is_last FROM versions
        WHERE is_last OR task_version > previous + 1
        ORDER BY task_id, task_version, is_last

-- audit
WITH page AS (
            SELECT task_id FROM audit_entries WHERE task_id > $2 GROUP BY task_id ORDER BY task_id LIMIT $1
        ), versions AS (
            SELECT entries.task_id, user_id, task_version,
                COALESCE(lag(task_version) OVER by_version, 0) AS previous,
                lead(task_version) OVER by_version IS NULL AS is_last
            FROM page JOIN audit_entries AS entries ON entries.task_id = page.task_id
            WINDOW by_version AS (PARTITION BY entries.task_id ORDER BY task_version, event_id)
        )
        SELECT task_id, user_id, task_version, previous, is_last FROM versions
        WHERE is_last OR task_version > previous + 1
        ORDER BY task_id, task_version, is_last

-- column
audit.audit_entries.after

-- column
audit.audit_entries.before

-- column
audit.audit_entries.event_id

-- column
audit.audit_entries.event_time

-- column
audit.audit_entries.event_type

-- column
audit.audit_entries.record_time

-- column
audit.audit_entries.task_id

-- column
audit.audit_entries.task_version

-- column
audit.audit_entries.trace_id

-- column
audit.audit_entries.user_id

-- column
audit.inbox.create_time

-- column
audit.inbox.event_id

-- column
audit.inbox.handler

-- column
audit.inbox.reason

-- column
audit.inbox.state

-- column
audit.outbox.create_time

-- column
audit.outbox.event_id

-- column
audit.outbox.event_type

-- column
audit.outbox.handler

-- column
audit.outbox.partition_key

-- column
audit.outbox.payload

-- column
audit.outbox.position

-- column
audit.outbox.raw

-- column
audit.outbox.republish_of

-- column
audit.outbox.shard

-- column
audit.outbox.source

-- column
audit.outbox.topic

-- column
audit.outbox.traceparent

-- column
audit.outbox.tracestate

-- column
audit.relay_shards.epoch

-- column
audit.relay_shards.relay_id

-- column
audit.relay_shards.shard

-- column
audit.relays.expire_time

-- column
audit.relays.relay_id

-- column
audit.seaql_migrations.applied_at

-- column
audit.seaql_migrations.version

-- column
deadletters.dead_letter_actions.action

-- column
deadletters.dead_letter_actions.action_id

-- column
deadletters.dead_letter_actions.actor

-- column
deadletters.dead_letter_actions.create_time

-- column
deadletters.dead_letter_actions.letter_id

-- column
deadletters.dead_letter_actions.only_failed_handler

-- column
deadletters.dead_letter_actions.reason

-- column
deadletters.dead_letter_actions.replay_id

-- column
deadletters.dead_letters.event_id

-- column
deadletters.dead_letters.event_type

-- column
deadletters.dead_letters.failures

-- column
deadletters.dead_letters.first_failure_time

-- column
deadletters.dead_letters.handler

-- column
deadletters.dead_letters.headers

-- column
deadletters.dead_letters.last_failure_time

-- column
deadletters.dead_letters.letter_id

-- column
deadletters.dead_letters.original

-- column
deadletters.dead_letters.partition_key

-- column
deadletters.dead_letters.pubsub

-- column
deadletters.dead_letters.reason

-- column
deadletters.dead_letters.replay_id

-- column
deadletters.dead_letters.source_offset

-- column
deadletters.dead_letters.source_partition

-- column
deadletters.dead_letters.state

-- column
deadletters.dead_letters.topic

-- column
deadletters.dead_letters.update_time

-- column
deadletters.inbox.create_time

-- column
deadletters.inbox.event_id

-- column
deadletters.inbox.handler

-- column
deadletters.inbox.reason

-- column
deadletters.inbox.state

-- column
deadletters.outbox.create_time

-- column
deadletters.outbox.event_id

-- column
deadletters.outbox.event_type

-- column
deadletters.outbox.handler

-- column
deadletters.outbox.partition_key

-- column
deadletters.outbox.payload

-- column
deadletters.outbox.position

-- column
deadletters.outbox.raw

-- column
deadletters.outbox.republish_of

-- column
deadletters.outbox.shard

-- column
deadletters.outbox.source

-- column
deadletters.outbox.topic

-- column
deadletters.outbox.traceparent

-- column
deadletters.outbox.tracestate

-- column
deadletters.relay_shards.epoch

-- column
deadletters.relay_shards.relay_id

-- column
deadletters.relay_shards.shard

-- column
deadletters.relays.expire_time

-- column
deadletters.relays.relay_id

-- column
deadletters.seaql_migrations.applied_at

-- column
deadletters.seaql_migrations.version

-- column
recurrence.inbox.create_time

-- column
recurrence.inbox.event_id

-- column
recurrence.inbox.handler

-- column
recurrence.inbox.reason

-- column
recurrence.inbox.state

-- column
recurrence.outbox.create_time

-- column
recurrence.outbox.event_id

-- column
recurrence.outbox.event_type

-- column
recurrence.outbox.handler

-- column
recurrence.outbox.partition_key

-- column
recurrence.outbox.payload

-- column
recurrence.outbox.position

-- column
recurrence.outbox.raw

-- column
recurrence.outbox.republish_of

-- column
recurrence.outbox.shard

-- column
recurrence.outbox.source

-- column
recurrence.outbox.topic

-- column
recurrence.outbox.traceparent

-- column
recurrence.outbox.tracestate

-- column
recurrence.relay_shards.epoch

-- column
recurrence.relay_shards.relay_id

-- column
recurrence.relay_shards.shard

-- column
recurrence.relays.expire_time

-- column
recurrence.relays.relay_id

-- column
recurrence.seaql_migrations.applied_at

-- column
recurrence.seaql_migrations.version

-- column
tasks.idempotency_keys.body_hash

-- column
tasks.idempotency_keys.create_time

-- column
tasks.idempotency_keys.method

-- column
tasks.idempotency_keys.request_id

-- column
tasks.idempotency_keys.response

-- column
tasks.idempotency_keys.user_id

-- column
tasks.inbox.create_time

-- column
tasks.inbox.event_id

-- column
tasks.inbox.handler

-- column
tasks.inbox.reason

-- column
tasks.inbox.state

-- column
tasks.occurrences.occurrence_time

-- column
tasks.occurrences.predecessor_id

-- column
tasks.occurrences.series_id

-- column
tasks.occurrences.task_id

-- column
tasks.outbox.create_time

-- column
tasks.outbox.event_id

-- column
tasks.outbox.event_type

-- column
tasks.outbox.handler

-- column
tasks.outbox.partition_key

-- column
tasks.outbox.payload

-- column
tasks.outbox.position

-- column
tasks.outbox.raw

-- column
tasks.outbox.republish_of

-- column
tasks.outbox.shard

-- column
tasks.outbox.source

-- column
tasks.outbox.topic

-- column
tasks.outbox.traceparent

-- column
tasks.outbox.tracestate

-- column
tasks.published_events.create_time

-- column
tasks.published_events.event_id

-- column
tasks.published_events.event_type

-- column
tasks.published_events.partition_key

-- column
tasks.published_events.payload

-- column
tasks.published_events.publish_time

-- column
tasks.published_events.source

-- column
tasks.published_events.topic

-- column
tasks.published_events.traceparent

-- column
tasks.published_events.tracestate

-- column
tasks.relay_shards.epoch

-- column
tasks.relay_shards.relay_id

-- column
tasks.relay_shards.shard

-- column
tasks.relays.expire_time

-- column
tasks.relays.relay_id

-- column
tasks.seaql_migrations.applied_at

-- column
tasks.seaql_migrations.version

-- column
tasks.task_tags.tag

-- column
tasks.task_tags.task_id

-- column
tasks.tasks.awaits_successor

-- column
tasks.tasks.complete_time

-- column
tasks.tasks.complete_version

-- column
tasks.tasks.create_time

-- column
tasks.tasks.delete_time

-- column
tasks.tasks.description

-- column
tasks.tasks.due_date

-- column
tasks.tasks.due_time

-- column
tasks.tasks.occurrence_time

-- column
tasks.tasks.priority

-- column
tasks.tasks.recurrence

-- column
tasks.tasks.reminders

-- column
tasks.tasks.series_id

-- column
tasks.tasks.series_index

-- column
tasks.tasks.series_start

-- column
tasks.tasks.series_start_index

-- column
tasks.tasks.state

-- column
tasks.tasks.task_id

-- column
tasks.tasks.time_zone

-- column
tasks.tasks.title

-- column
tasks.tasks.update_time

-- column
tasks.tasks.user_id

-- column
tasks.tasks.user_seq

-- column
tasks.tasks.version

-- column
tasks.user_sequences.last_seq

-- column
tasks.user_sequences.user_id

-- deadletters
DELETE FROM dead_letters WHERE ctid = ANY (ARRAY(SELECT ctid FROM dead_letters WHERE state <> 'OPEN' AND update_time < $1 ORDER BY update_time LIMIT $2 FOR UPDATE SKIP LOCKED))

-- deadletters
INSERT INTO dead_letters (
    letter_id, state, handler, event_id, event_type, pubsub, topic, partition_key, source_partition, source_offset,
    headers, reason, original, failures, first_failure_time, last_failure_time, replay_id, update_time
)
SELECT
    letter_id, 'OPEN', handler, event_id, NULLIF(event_type, ''), pubsub, topic, partition_key,
    NULLIF(source_partition, -1), NULLIF(source_offset, -1), headers::json, reason, original, 1,
    failure_time, failure_time, NULLIF(replay_id, '00000000-0000-0000-0000-000000000000'::uuid), failure_time
FROM unnest(
    $1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::integer[], $9::bigint[],
    $10::text[], $11::text[], $12::bytea[], $13::bigint[], $14::uuid[]
) AS letters (
    letter_id, handler, event_id, event_type, pubsub, topic, partition_key, source_partition, source_offset,
    headers, reason, original, failure_time, replay_id
)
ORDER BY event_id, handler, topic
ON CONFLICT (event_id, handler, topic) DO UPDATE SET
    state = 'OPEN',
    reason = CASE
        WHEN EXCLUDED.last_failure_time < dead_letters.last_failure_time THEN dead_letters.reason
        ELSE EXCLUDED.reason
    END,
    failures = dead_letters.failures + 1,
    first_failure_time = least(dead_letters.first_failure_time, EXCLUDED.first_failure_time),
    last_failure_time = greatest(dead_letters.last_failure_time, EXCLUDED.last_failure_time),
    replay_id = EXCLUDED.replay_id,
    update_time = greatest(dead_letters.update_time, EXCLUDED.update_time)
-- What no replay brought is what the letter was made of; what the last counted replay brought is counted.
WHERE EXCLUDED.replay_id IS NOT NULL
    AND EXCLUDED.replay_id IS DISTINCT FROM dead_letters.replay_id
    -- A letter that has ended is not opened again by what failed before that, unless that is its newest replay.
    AND (
        dead_letters.state = 'OPEN'
        OR EXCLUDED.last_failure_time >= dead_letters.update_time
        OR EXCLUDED.replay_id = (
            SELECT acts.replay_id
            FROM dead_letter_actions AS acts
            WHERE acts.letter_id = dead_letters.letter_id AND acts.replay_id IS NOT NULL
            ORDER BY acts.create_time DESC, acts.action_id DESC
            LIMIT 1
        )
    )

-- deadletters
SELECT "dead_letter_actions"."action_id", "dead_letter_actions"."letter_id", "dead_letter_actions"."action", "dead_letter_actions"."actor", "dead_letter_actions"."reason", "dead_letter_actions"."replay_id", "dead_letter_actions"."only_failed_handler", "dead_letter_actions"."create_time" FROM "dead_letter_actions" WHERE "dead_letter_actions"."letter_id" = $1 ORDER BY "dead_letter_actions"."create_time" ASC, "dead_letter_actions"."action_id" ASC

-- deadletters
SELECT "dead_letters"."letter_id", "dead_letters"."original" FROM "dead_letters" WHERE "dead_letters"."letter_id" = ANY($1)

-- deadletters
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."headers", "dead_letters"."reason", "dead_letters"."original", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time" FROM "dead_letters" WHERE "dead_letters"."letter_id" = $1 LIMIT $2

-- deadletters
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."handler" = $1 ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT $2

-- deadletters
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."last_failure_time" >= $1 AND "dead_letters"."last_failure_time" < $2 AND "dead_letters"."first_failure_time" < $3 ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT $4

-- deadletters
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."last_failure_time" >= $1 ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT $2

-- deadletters
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."letter_id" = ANY($1) AND "dead_letters"."partition_key" = $2 ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT $3

-- deadletters
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."letter_id" = ANY($1) ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT $2

-- deadletters
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."letter_id" = ANY($1) ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT $2 FOR UPDATE

-- deadletters
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."partition_key" = $1 ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT $2

-- deadletters
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."state" <> ('DISCARDED') AND "dead_letters"."event_type" = $1 ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT $2

-- deadletters
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."state" <> ('REPLAYED') ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT $1

-- deadletters
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."state" = ('DISCARDED') ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT $1

-- deadletters
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."state" = ('OPEN') ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT $1

-- deadletters
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."state" = ('OPEN') ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT $1 FOR UPDATE

-- deadletters
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."state" = ('REPLAYED') ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT $1

-- deadletters
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE "dead_letters"."topic" = $1 ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT $2

-- deadletters
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE ("dead_letters"."first_failure_time", "dead_letters"."letter_id") > ($1, $2) ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT $3

-- deadletters
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE TRUE ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT $1

-- deadletters
SELECT "dead_letters"."letter_id", "dead_letters"."state", "dead_letters"."handler", "dead_letters"."event_id", "dead_letters"."event_type", "dead_letters"."pubsub", "dead_letters"."topic", "dead_letters"."partition_key", "dead_letters"."source_partition", "dead_letters"."source_offset", "dead_letters"."reason", "dead_letters"."failures", "dead_letters"."first_failure_time", "dead_letters"."last_failure_time", "dead_letters"."replay_id", "dead_letters"."update_time", CAST(length("dead_letters"."original") AS bigint) AS "size" FROM "dead_letters" WHERE TRUE ORDER BY "dead_letters"."first_failure_time" ASC, "dead_letters"."letter_id" ASC LIMIT $1 FOR UPDATE

-- deadletters
WITH acts AS (
    SELECT *
    FROM unnest(
        $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::boolean[], $8::boolean[],
        $9::bigint[]
    ) AS acts (
        action_id, letter_id, action, actor, reason, replay_id, is_replay, only_failed_handler, create_time
    )
), moved AS (
    UPDATE dead_letters
    SET state = acts.action,
        update_time = acts.create_time
    FROM acts
    WHERE dead_letters.letter_id = acts.letter_id
)
INSERT INTO dead_letter_actions (
    action_id, letter_id, action, actor, reason, replay_id, only_failed_handler, create_time
)
SELECT
    action_id, letter_id, action, actor, CASE WHEN NOT is_replay THEN reason END,
    CASE WHEN is_replay THEN replay_id END, only_failed_handler, create_time
FROM acts

-- tasks
DELETE FROM "occurrences" WHERE "occurrences"."task_id" = $1

-- tasks
DELETE FROM "task_tags" WHERE "task_tags"."task_id" = $1

-- tasks
DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(SELECT ctid FROM idempotency_keys WHERE create_time < $1 ORDER BY create_time LIMIT $2 FOR UPDATE SKIP LOCKED))

-- tasks
DELETE FROM inbox WHERE ctid = ANY (ARRAY(SELECT ctid FROM inbox WHERE create_time < $1 ORDER BY create_time LIMIT $2 FOR UPDATE SKIP LOCKED))

-- tasks
DELETE FROM published_events WHERE ctid = ANY (ARRAY(SELECT ctid FROM published_events WHERE publish_time < $1 ORDER BY publish_time LIMIT $2 FOR UPDATE SKIP LOCKED))

-- tasks
INSERT INTO "idempotency_keys" ("user_id", "request_id", "method", "body_hash", "response", "create_time") VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT ("user_id", "request_id") DO NOTHING

-- tasks
INSERT INTO "inbox" ("event_id", "handler", "state", "reason", "create_time") VALUES ($1, $2, $3, $4, $5) ON CONFLICT ("event_id", "handler") DO NOTHING

-- tasks
INSERT INTO "inbox" ("event_id", "handler", "state", "reason", "create_time") VALUES ($1, $2, $3, $4, $5) ON CONFLICT ("event_id", "handler") DO UPDATE SET "reason" = "excluded"."reason", "create_time" = "excluded"."create_time" WHERE "inbox"."state" = $6

-- tasks
INSERT INTO "occurrences" ("task_id", "series_id", "occurrence_time", "predecessor_id") VALUES ($1, $2, $3, $4)

-- tasks
INSERT INTO "outbox" ("event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time", "raw", "handler", "republish_of") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)

-- tasks
INSERT INTO "outbox" ("event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time", "raw", "handler", "republish_of") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13), ($14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26)

-- tasks
INSERT INTO "outbox" ("event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time", "raw", "handler", "republish_of") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13), ($14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26), ($27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39)

-- tasks
INSERT INTO "outbox" ("event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time", "raw", "handler", "republish_of") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13), ($14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26), ($27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39), ($40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50, $51, $52)

-- tasks
INSERT INTO "outbox" ("event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time", "raw", "handler", "republish_of") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13), ($14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26), ($27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39), ($40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50, $51, $52), ($53, $54, $55, $56, $57, $58, $59, $60, $61, $62, $63, $64, $65)

-- tasks
INSERT INTO "task_tags" ("task_id", "tag") VALUES ($1, $2)

-- tasks
INSERT INTO "task_tags" ("task_id", "tag") VALUES ($1, $2), ($3, $4)

-- tasks
INSERT INTO "tasks" ("task_id", "user_id", "title", "description", "state", "priority", "due_time", "due_date", "time_zone", "recurrence", "reminders", "series_id", "occurrence_time", "series_start", "series_start_index", "series_index", "awaits_successor", "version", "user_seq", "create_time", "update_time", "complete_time", "complete_version", "delete_time") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)

-- tasks
INSERT INTO "user_sequences" ("user_id", "last_seq") VALUES ($1, $2) ON CONFLICT ("user_id") DO UPDATE SET "last_seq" = "user_sequences"."last_seq" + $3 RETURNING "user_id", "last_seq"

-- tasks
INSERT INTO relays (relay_id, expire_time)
VALUES ($1::uuid, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + $2::bigint)

-- tasks
SELECT "idempotency_keys"."user_id", "idempotency_keys"."request_id", "idempotency_keys"."method", "idempotency_keys"."body_hash", "idempotency_keys"."response", "idempotency_keys"."create_time" FROM "idempotency_keys" WHERE "idempotency_keys"."user_id" = $1 AND "idempotency_keys"."request_id" = $2 LIMIT $3

-- tasks
SELECT "inbox"."event_id", "inbox"."handler" FROM "inbox" WHERE "inbox"."event_id" = ANY($1)

-- tasks
SELECT "inbox"."event_id", "inbox"."handler", "inbox"."state" FROM "inbox" WHERE "inbox"."event_id" = ANY($1) AND "inbox"."handler" IN ($2, $3)

-- tasks
SELECT "occurrences"."task_id", "occurrences"."series_id", "occurrences"."occurrence_time", "occurrences"."predecessor_id" FROM "occurrences" WHERE "occurrences"."predecessor_id" = $1 LIMIT $2

-- tasks
SELECT "occurrences"."task_id", "occurrences"."series_id", "occurrences"."occurrence_time", "occurrences"."predecessor_id" FROM "occurrences" WHERE "occurrences"."series_id" = $1 AND "occurrences"."occurrence_time" = $2 LIMIT $3

-- tasks
SELECT "outbox"."position", "outbox"."event_id", "outbox"."shard", "outbox"."topic", "outbox"."partition_key", "outbox"."event_type", "outbox"."source", "outbox"."payload", "outbox"."traceparent", "outbox"."tracestate", "outbox"."create_time", "outbox"."raw", "outbox"."handler", "outbox"."republish_of" FROM "outbox" WHERE "outbox"."partition_key" = $1 AND "outbox"."topic" = $2 AND "outbox"."position" > $3 ORDER BY "outbox"."position" ASC LIMIT $4

-- tasks
SELECT "position", "event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time", "raw", "handler", "republish_of" FROM (SELECT "position", "event_id", "shard", "topic", "partition_key", "event_type", "source", "payload", "traceparent", "tracestate", "create_time", "raw", "handler", "republish_of", sum(length(payload)) OVER (ORDER BY position) - length(payload) AS "before" FROM (SELECT "outbox"."position", "outbox"."event_id", "outbox"."shard", "outbox"."topic", "outbox"."partition_key", "outbox"."event_type", "outbox"."source", "outbox"."payload", "outbox"."traceparent", "outbox"."tracestate", "outbox"."create_time", "outbox"."raw", "outbox"."handler", "outbox"."republish_of" FROM "outbox" WHERE "outbox"."position" > $1 AND "outbox"."topic" IN ($2) AND (NOT EXISTS(SELECT $3 FROM "outbox" AS "earlier" WHERE "earlier"."partition_key" = "outbox"."partition_key" AND "earlier"."topic" = "outbox"."topic" AND "earlier"."position" < "outbox"."position")) ORDER BY "outbox"."position" ASC LIMIT $4) AS "page") AS "sized" WHERE "before" < $5 ORDER BY "position" ASC

-- tasks
SELECT "published_events"."event_id", "published_events"."partition_key", "published_events"."topic", "published_events"."event_type", "published_events"."source", "published_events"."payload", "published_events"."traceparent", "published_events"."tracestate", "published_events"."create_time", "published_events"."publish_time" FROM "published_events" WHERE "published_events"."event_id" = ANY($1) ORDER BY "published_events"."create_time" ASC, "published_events"."event_id" ASC

-- tasks
SELECT "published_events"."event_id", "published_events"."partition_key", "published_events"."topic", "published_events"."event_type", "published_events"."source", "published_events"."payload", "published_events"."traceparent", "published_events"."tracestate", "published_events"."create_time", "published_events"."publish_time" FROM "published_events" WHERE "published_events"."partition_key" = $1 AND "published_events"."topic" = $2 ORDER BY "published_events"."create_time" ASC, "published_events"."event_id" ASC LIMIT $3

-- tasks
SELECT "published_events"."event_id", "published_events"."partition_key", "published_events"."topic", "published_events"."event_type", "published_events"."source", "published_events"."payload", "published_events"."traceparent", "published_events"."tracestate", "published_events"."create_time", "published_events"."publish_time" FROM "published_events" WHERE "published_events"."partition_key" = $1 AND ("published_events"."create_time", "published_events"."event_id") > ($2, $3) AND "published_events"."topic" = $4 ORDER BY "published_events"."create_time" ASC, "published_events"."event_id" ASC LIMIT $5

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."awaits_successor" = TRUE AND "tasks"."complete_time" < $2 AND ("tasks"."complete_time", "tasks"."task_id") > ($3, $4) ORDER BY "tasks"."complete_time" ASC, "tasks"."task_id" ASC LIMIT $5

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."awaits_successor" = TRUE AND "tasks"."complete_time" < $2 ORDER BY "tasks"."complete_time" ASC, "tasks"."task_id" ASC LIMIT $3

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL AND "tasks"."due_time" < $3 ORDER BY "tasks"."create_time" ASC, "tasks"."task_id" ASC LIMIT $4

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL AND "tasks"."due_time" >= $3 AND "tasks"."priority" IN ($4) ORDER BY "tasks"."create_time" ASC, "tasks"."task_id" ASC LIMIT $5

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL AND "tasks"."due_time" IS NULL AND "tasks"."task_id" < $3 ORDER BY "tasks"."due_time" DESC NULLS LAST, "tasks"."task_id" DESC LIMIT $4

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL AND "tasks"."due_time" IS NULL AND "tasks"."task_id" > $3 ORDER BY "tasks"."due_time" ASC NULLS LAST, "tasks"."task_id" ASC LIMIT $4

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL AND "tasks"."state" <> $3 ORDER BY "tasks"."create_time" ASC, "tasks"."task_id" ASC LIMIT $4

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL AND ("tasks"."create_time", "tasks"."task_id") < ($3, $4) ORDER BY "tasks"."create_time" DESC, "tasks"."task_id" DESC LIMIT $5

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL AND ("tasks"."create_time", "tasks"."task_id") > ($3, $4) ORDER BY "tasks"."create_time" ASC, "tasks"."task_id" ASC LIMIT $5

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL AND ("tasks"."priority", "tasks"."task_id") < ($3, $4) ORDER BY "tasks"."priority" DESC, "tasks"."task_id" DESC LIMIT $5

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL AND (("tasks"."due_time", "tasks"."task_id") < ($3, $4) OR "tasks"."due_time" IS NULL) ORDER BY "tasks"."due_time" DESC NULLS LAST, "tasks"."task_id" DESC LIMIT $5

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL AND (("tasks"."due_time", "tasks"."task_id") > ($3, $4) OR "tasks"."due_time" IS NULL) ORDER BY "tasks"."due_time" ASC NULLS LAST, "tasks"."task_id" ASC LIMIT $5

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL AND (LOWER("tasks"."title" COLLATE "C") LIKE $3 ESCAPE E'\\' OR LOWER("tasks"."description" COLLATE "C") LIKE $4 ESCAPE E'\\') ORDER BY "tasks"."create_time" ASC, "tasks"."task_id" ASC LIMIT $5

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL AND EXISTS(SELECT $3 FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id" AND "task_tags"."tag" = $4) ORDER BY "tasks"."create_time" ASC, "tasks"."task_id" ASC LIMIT $5

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL ORDER BY "tasks"."create_time" ASC, "tasks"."task_id" ASC LIMIT $3

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL ORDER BY "tasks"."create_time" DESC, "tasks"."task_id" DESC LIMIT $3

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL ORDER BY "tasks"."due_time" ASC NULLS LAST, "tasks"."task_id" ASC LIMIT $3

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL ORDER BY "tasks"."due_time" DESC NULLS LAST, "tasks"."task_id" DESC LIMIT $3

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."delete_time" IS NULL ORDER BY "tasks"."priority" DESC, "tasks"."task_id" DESC LIMIT $3

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."title", "tasks"."description", "tasks"."state", "tasks"."priority", "tasks"."due_time", "tasks"."due_date", "tasks"."time_zone", "tasks"."recurrence", "tasks"."reminders", "tasks"."series_id", "tasks"."occurrence_time", "tasks"."series_start", "tasks"."series_start_index", "tasks"."series_index", "tasks"."awaits_successor", "tasks"."version", "tasks"."user_seq", "tasks"."create_time", "tasks"."update_time", "tasks"."complete_time", "tasks"."complete_version", "tasks"."delete_time", (SELECT string_agg("task_tags"."tag", $1) FROM "task_tags" WHERE "task_tags"."task_id" = "tasks"."task_id") AS "joined_tags", (SELECT "seen"."version" FROM "tasks" AS "seen" WHERE "seen"."task_id" = "tasks"."task_id") AS "seen_version" FROM "tasks" WHERE "tasks"."user_id" = $2 AND "tasks"."task_id" = $3 LIMIT $4 FOR UPDATE

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."version" FROM "tasks" ORDER BY "tasks"."task_id" ASC LIMIT $1

-- tasks
SELECT "tasks"."task_id", "tasks"."user_id", "tasks"."version" FROM "tasks" WHERE "tasks"."task_id" > $1 ORDER BY "tasks"."task_id" ASC LIMIT $2

-- tasks
SELECT COUNT(*) AS num_items FROM (SELECT "outbox"."position", "outbox"."event_id", "outbox"."shard", "outbox"."topic", "outbox"."partition_key", "outbox"."event_type", "outbox"."source", "outbox"."payload", "outbox"."traceparent", "outbox"."tracestate", "outbox"."create_time", "outbox"."raw", "outbox"."handler", "outbox"."republish_of" FROM "outbox") AS "sub_query"

-- tasks
SELECT sized.*
FROM (
    SELECT following.*, sum(length(payload)) OVER (ORDER BY following.position) - length(payload) AS before
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS gone (partition_key, topic, position)
    CROSS JOIN LATERAL (
        SELECT
            position, event_id, shard, topic, partition_key, event_type, source, payload, traceparent, tracestate,
            create_time, raw, handler, republish_of
        FROM outbox
        WHERE partition_key = gone.partition_key AND topic = gone.topic AND position > gone.position
        ORDER BY position
        LIMIT 1
    ) AS following
) AS sized
WHERE before < $4::bigint
ORDER BY position

-- tasks
SELECT tasks.*, (
    SELECT string_agg(tag, U&'\001f') FROM task_tags WHERE task_tags.task_id = tasks.task_id
) AS joined_tags
FROM unnest($1::uuid[], $2::text[]) AS asked (task_id, user_id) JOIN tasks USING (task_id, user_id)

-- tasks
UPDATE "idempotency_keys" SET "response" = $1 WHERE "idempotency_keys"."user_id" = $2 AND "idempotency_keys"."request_id" = $3

-- tasks
UPDATE "tasks" SET "awaits_successor" = $1 WHERE "tasks"."task_id" = $2

-- tasks
UPDATE "tasks" SET "task_id" = $1, "user_id" = $2, "title" = $3, "description" = $4, "state" = $5, "priority" = $6, "due_time" = $7, "due_date" = $8, "time_zone" = $9, "recurrence" = $10, "reminders" = $11, "series_id" = $12, "occurrence_time" = $13, "series_start" = $14, "series_start_index" = $15, "series_index" = $16, "awaits_successor" = $17, "version" = $18, "create_time" = $19, "update_time" = $20, "complete_time" = $21, "complete_version" = $22, "delete_time" = $23 WHERE "tasks"."task_id" = $24

-- tasks
UPDATE "tasks" SET "user_seq" = $1 WHERE "tasks"."task_id" = $2

-- tasks
WITH expired AS (
    SELECT relay_id FROM relays
    WHERE expire_time <= (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    FOR UPDATE SKIP LOCKED
)
DELETE FROM relays USING expired WHERE relays.relay_id = expired.relay_id

-- tasks
WITH free AS MATERIALIZED (
    SELECT shard, epoch
    FROM relay_shards AS shards
    WHERE NOT EXISTS (SELECT 1 FROM relays AS owners WHERE owners.relay_id = shards.relay_id)
    ORDER BY shard
    LIMIT $2::bigint
), locked AS (
    SELECT shards.shard
    FROM relay_shards AS shards
    JOIN free ON free.shard = shards.shard AND free.epoch = shards.epoch
    FOR UPDATE OF shards SKIP LOCKED
)
UPDATE relay_shards AS shards
SET relay_id = $1::uuid, epoch = shards.epoch + 1
FROM locked
WHERE shards.shard = locked.shard
    AND EXISTS (
        SELECT 1 FROM relays
        WHERE relay_id = $1::uuid AND expire_time > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    )
RETURNING shards.shard, shards.epoch

-- tasks
WITH renewed AS (
    UPDATE relays
    SET expire_time = (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + $2::bigint
    WHERE relay_id = $1::uuid AND expire_time > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    RETURNING relay_id
), census AS (
    SELECT
        EXISTS (SELECT 1 FROM renewed) AS renewed,
        count(*) FILTER (WHERE expire_time > now.micros) AS live,
        count(*) FILTER (WHERE expire_time > now.micros AND relay_id < $1::uuid) AS rank,
        count(*) FILTER (WHERE expire_time <= now.micros) AS expired,
        (
            SELECT count(*) FROM relay_shards AS shards
            WHERE NOT EXISTS (SELECT 1 FROM relays AS owners WHERE owners.relay_id = shards.relay_id)
        ) AS free
    FROM relays, (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS micros) AS now
)
SELECT census.*, head.*
FROM census
LEFT JOIN LATERAL (
    SELECT *
    FROM (
        SELECT page.*, sum(length(payload)) OVER (ORDER BY position) - length(payload) AS before
        FROM (
            SELECT
                position, event_id, shard, topic, partition_key, event_type, source, payload, traceparent, tracestate,
                create_time, raw, handler, republish_of
            FROM outbox
            WHERE census.renewed AND position > $5::bigint AND shard = ANY ($3::smallint[]) AND topic = ANY ($4::text[])
                AND NOT EXISTS (
                    SELECT 1 FROM outbox AS earlier
                    WHERE earlier.partition_key = outbox.partition_key AND earlier.topic = outbox.topic
                        AND earlier.position < outbox.position
                )
            ORDER BY position
            LIMIT $6::bigint
        ) AS page
    ) AS sized
    WHERE before < $7::bigint
) AS head ON TRUE
ORDER BY head.position
