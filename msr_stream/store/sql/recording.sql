-- What the recorder asks and writes.

-- name: hold_settled
-- Until the end of the transaction nothing is flushed or settled: a new shard must not begin before what is settled.
LOCK TABLE shard IN SHARE ROW EXCLUSIVE MODE

-- name: register_shards
-- The partitions of a topic, present at once; where recording has begun, a new shard starts at the settled instant.
INSERT INTO shard (topic, partition, source, settled_until)
SELECT $1, p, $2, settled_instant()
FROM generate_series(0, $3::int - 1) p
ON CONFLICT (topic, partition) DO NOTHING
RETURNING partition

-- name: begin_coverage
-- A shard that was just registered is recorded completely from its first record on.
INSERT INTO coverage (shard_id)
SELECT shard_id FROM shard s WHERE topic = $1 AND NOT EXISTS (SELECT FROM coverage c WHERE c.shard_id = s.shard_id)

-- name: topic_shards
-- How many partitions every known topic had when it was registered, and why it is stopped, if it is.
SELECT topic, count(*) AS partitions, min(stopped) AS stopped FROM shard GROUP BY topic

-- name: stop_topic
-- A topic that may not be recorded any further.
WITH held AS (
    SELECT shard_id FROM shard WHERE topic = $1 AND stopped IS DISTINCT FROM $2 ORDER BY shard_id FOR NO KEY UPDATE)
UPDATE shard s SET stopped = $2, version = version + 1 FROM held WHERE s.shard_id = held.shard_id

-- name: read_progress
-- A shard's progress.
SELECT shard_id, source, version, flushed_offset, record_offset, record_timestamp, record_hash, last_position,
       last_effective, newest_source_time, settled_until, last_commit_lsn, last_lsn, unsequenced_lsn, topic_id, stopped
FROM shard WHERE topic = $1 AND partition = $2

-- name: write_progress
-- Lock the shard and compare the version; no row: another worker has moved it, or it is retired and gets events.
-- Caught up, it lives again.
UPDATE shard SET
    version = version + 1, flushed_offset = $3, record_offset = $4, record_timestamp = $5, record_hash = $6,
    last_position = $7, last_effective = $8, newest_source_time = $9, settled_until = $10,
    last_commit_lsn = $11, last_lsn = $12, events = events + $13, copies = copies + $14,
    dead_letters = dead_letters + $15, live_entities = greatest(0, live_entities + $16),
    events_since_keyframe = events_since_keyframe + $13, unsequenced_lsn = $17, topic_id = $18,
    live = live OR (held_until IS NULL AND coalesce($10 >= settled_instant(), false))
WHERE shard_id = $1 AND version = $2 AND (retired_at IS NULL OR $13 = 0)
RETURNING version

-- name: is_retired
-- Whether a shard's last table was ended.
SELECT retired_at IS NOT NULL FROM shard WHERE shard_id = $1

-- name: revive_shards
-- The shards of a retired topic that gets events again live on, from the settled instant like new ones.
WITH revived AS (
    UPDATE shard SET version = version + 1, retired_at = NULL, held_until = NULL, live = true,
        settled_until = greatest(settled_until, settled_instant())
    WHERE topic = (SELECT topic FROM shard WHERE shard_id = $1) AND retired_at IS NOT NULL
    RETURNING shard_id, settled_until)
INSERT INTO coverage (shard_id, covered_from) SELECT shard_id, settled_until FROM revived

-- name: add_activity
-- Count the run's events; a retired table that has some lives again.
WITH revived AS (UPDATE source_table SET retired_at = NULL WHERE table_name = ANY ($3) AND retired_at IS NOT NULL)
INSERT INTO activity AS a (shard_id, bucket, table_name, tenant_id, op, changes)
SELECT $1, * FROM unnest($2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::bigint[])
ON CONFLICT (shard_id, bucket, table_name, tenant_id, op) DO UPDATE SET changes = a.changes + excluded.changes

-- name: add_dead_letters
-- Keep what could not be recorded, whole.
INSERT INTO dead_letter (shard_id, record_offset, record_timestamp, code, reason, record_key, record_value,
                         record_headers, table_name, entity_id, source_lsn, source_txid)
SELECT $1, o, t, c, r, k, v, h::jsonb, tn, e, l, x
FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::bytea[], $7::bytea[],
            $8::text[], $9::text[], $10::text[], $11::bigint[], $12::bigint[]) AS u (o, t, c, r, k, v, h, tn, e, l, x)

-- name: unpublished_dead_letters
-- Dead letters of a shard whose copy has not been sent yet.
SELECT dead_letter_id, record_offset, record_timestamp, code, reason, record_key, record_value, record_headers::text
FROM dead_letter WHERE shard_id = $1 AND published_at IS NULL ORDER BY dead_letter_id LIMIT 100

-- name: mark_published
-- Their copies were sent.
UPDATE dead_letter SET published_at = now() WHERE dead_letter_id = ANY ($1::bigint[])

-- name: add_marker
-- Keep a source's newest marker.
INSERT INTO source AS s (source, marker_at, heard_at) VALUES ($1, $2, now())
ON CONFLICT (source) DO UPDATE SET marker_at = greatest(s.marker_at, excluded.marker_at), heard_at = now()

-- name: claim_table
-- A table name belongs to the source that brought it first; before its first record it was not captured.
INSERT INTO source_table AS t (table_name, source, topic, covered_from) VALUES ($1, $2, $3, least($4, now()))
ON CONFLICT (table_name) DO UPDATE SET covered_from = CASE WHEN t.source = excluded.source
    THEN least(t.covered_from, excluded.covered_from) ELSE t.covered_from END RETURNING source

-- name: restart_progress
-- A log made anew, or with a hole: progress goes on after the given offset, positions and times go on.
UPDATE shard SET version = version + 1, flushed_offset = $3, record_offset = NULL, record_timestamp = NULL,
    record_hash = NULL, topic_id = NULL
WHERE shard_id = $1 AND version = $2 RETURNING version

-- name: end_coverage
-- The shard is not complete any more beyond what is recorded and settled; the next complete snapshot begins a new interval, or,
-- where the source does not tell of snapshots, the next record.
WITH ended AS (
    UPDATE coverage SET reason = $2,
        covered_until = coalesce((SELECT greatest(last_effective, settled_until) FROM shard WHERE shard_id = $1), now())
    WHERE shard_id = $1 AND covered_until IS NULL RETURNING shard_id)
INSERT INTO coverage (shard_id, covered_from)
SELECT DISTINCT shard_id, CASE WHEN EXISTS (SELECT FROM snapshot_notice n JOIN shard s USING (source) WHERE s.shard_id = $1)
    THEN 'infinity' ELSE now() END
FROM ended

-- name: recall
-- The last recorded event of each entity, its state only where it is wanted: it is after the newest keyframe, or in it,
-- or the delete of an entity that did not live then. That one is looked for only where the state is wanted: for all
-- else an entity that does not live is as good as one that never did.
WITH head AS MATERIALIZED (
    SELECT keyframe_id, keyframe_timestamp FROM keyframe_head
    WHERE shard_id = $1 ORDER BY keyframe_timestamp DESC, position DESC LIMIT 1)
SELECT k.table_name, k.entity_id, e.op, e.tenant_id, e.unavailable_fields, e.source_lsn,
       coalesce(e.source_timestamp, e.event_timestamp) AS source_time,
       CASE WHEN k.wanted THEN e.entity_state END AS entity_state
FROM unnest($2::text[], $3::text[], $4::boolean[]) AS k (table_name, entity_id, wanted)
CROSS JOIN LATERAL (
    (SELECT op, tenant_id, unavailable_fields, source_lsn, source_timestamp, event_timestamp, entity_state FROM cdc_event
     WHERE shard_id = $1 AND table_name = k.table_name AND entity_id = k.entity_id
         AND event_timestamp > coalesce((SELECT keyframe_timestamp FROM head), '-infinity')
     ORDER BY position DESC LIMIT 1)
    UNION ALL
    (SELECT op, tenant_id, unavailable_fields, source_lsn, source_timestamp, event_timestamp, entity_state FROM keyframe
     WHERE keyframe_id = (SELECT keyframe_id FROM head) AND keyframe_timestamp = (SELECT keyframe_timestamp FROM head)
         AND table_name = k.table_name AND entity_id = k.entity_id)
    UNION ALL
    (SELECT op, tenant_id, unavailable_fields, source_lsn, source_timestamp, event_timestamp, entity_state FROM cdc_event
     WHERE k.wanted AND shard_id = $1 AND table_name = k.table_name AND entity_id = k.entity_id
         AND event_timestamp <= (SELECT keyframe_timestamp FROM head)
     ORDER BY position DESC LIMIT 1)
    LIMIT 1) e

-- name: recorded_identities
-- Which of these records are in the shard already, as an event, as a dead letter or as a command.
SELECT k.i FROM unnest($2::int[], $3::bigint[], $4::bigint[], $5::text[], $6::text[]) AS k (i, lsn, txid, table_name, entity_id)
WHERE EXISTS (
    SELECT FROM cdc_event e WHERE e.shard_id = $1 AND e.table_name = k.table_name AND e.entity_id = k.entity_id
        AND e.source_lsn = k.lsn AND e.source_txid IS NOT DISTINCT FROM k.txid)
   OR EXISTS (
    SELECT FROM dead_letter d WHERE d.shard_id = $1 AND d.source_lsn = k.lsn
        AND d.source_txid IS NOT DISTINCT FROM k.txid AND d.table_name = k.table_name AND d.entity_id = k.entity_id)
   OR k.entity_id = '' AND EXISTS (
    SELECT FROM table_command c WHERE c.shard_id = $1 AND c.source_lsn = k.lsn
        AND c.source_txid IS NOT DISTINCT FROM k.txid AND c.table_name = k.table_name)

-- name: removed_history
-- Before when the history of tables has been removed, of those of which some has.
SELECT t.table_name, greatest(h.retained_from, t.retained_from) AS retained_from
FROM source_table t CROSS JOIN history_epoch h
WHERE t.table_name = ANY ($1::text[]) AND coalesce(h.retained_from, t.retained_from) IS NOT NULL

-- name: old_entity
-- The delete by which an entity left its old key, wherever in the topic it was recorded.
SELECT e.entity_state, e.unavailable_fields FROM shard s
CROSS JOIN LATERAL (
    SELECT entity_state, unavailable_fields FROM cdc_event
    WHERE shard_id = s.shard_id AND table_name = $2 AND entity_id = $3 AND op = 'd'
        AND source_lsn = $4 AND source_commit_lsn IS NOT DISTINCT FROM $5
    ORDER BY position DESC LIMIT 1) e
WHERE s.topic = $1

-- name: others_passed
-- Whether every other shard of the topic has recorded something later than this sequence (one that has nothing has not).
SELECT coalesce(bool_and(coalesce((last_commit_lsn, last_lsn) > ($3::bigint, $4::bigint), false)), true)
FROM shard WHERE topic = $1 AND partition <> $2
