-- What is too old is removed; one entity's history is erased.

-- name: only_one
-- Whether this connection alone, of all workers, removes history; until it ends or lets go.
SELECT pg_try_advisory_lock(hashtext('msr.retention'), hashtext(current_schema()))

-- name: limits
-- What the settings say, what was done before, and what is settled.
SELECT (SELECT retained_from FROM history_epoch) AS retained_from, settled_instant() AS settled,
       (SELECT value::int FROM configuration WHERE key = 'max_playback_range') AS range_days,
       (SELECT (value #>> '{}')::timestamptz FROM configuration WHERE key = 'earliest_valid_timestamp') AS earliest_valid,
       (SELECT value #>> '{}' FROM configuration WHERE key = 'data_retention_cron_expression') AS cron

-- name: tables
-- Tables whose history is, or was, kept for a time of their own.
SELECT table_name, retention_days, retained_from FROM source_table
WHERE retention_days IS NOT NULL OR retained_from IS NOT NULL ORDER BY table_name

-- name: set_days
-- Keep a table's history for so many days; null: as long as all history. Returns what was there; no row: no such table.
WITH before AS (SELECT table_name, retention_days FROM source_table WHERE table_name = $1 FOR UPDATE)
UPDATE source_table t SET retention_days = $2 FROM before b WHERE t.table_name = b.table_name
RETURNING b.retention_days AS before

-- name: begin_run
-- Note that a run has begun.
INSERT INTO retention_run (started_at, touched_at, cutoff, worker, username) VALUES ($1, $1, $2, $3, $4) RETURNING run_id

-- name: step_run
-- Note how far a run is.
UPDATE retention_run SET step = $2, touched_at = $3, partitions = partitions + $4, dropped_rows = dropped_rows + $5,
    dropped_bytes = dropped_bytes + $6 WHERE run_id = $1

-- name: end_run
-- Note how a run ended.
UPDATE retention_run SET state = $2, error = $3, finished_at = $4, touched_at = $4 WHERE run_id = $1

-- name: last_run
-- The newest run.
SELECT run_id, state, step, cutoff, started_at, touched_at, finished_at, partitions, dropped_rows AS rows,
       dropped_bytes AS bytes, worker, username, error
FROM retention_run ORDER BY run_id DESC LIMIT 1

-- name: parts
-- The partitions wholly before an instant.
SELECT part, estimated_rows, bytes FROM history_before($1, $2)

-- name: attached
-- Those of them that are still attached, or half detached, to a partitioned table.
SELECT c.relname AS name, i.inhdetachpending AS pending FROM history_before($1, $2) h
JOIN pg_inherits i ON i.inhrelid = to_regclass(quote_ident(h.part))
JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
WHERE p.relkind = 'p' AND p.relname = $1 ORDER BY i.inhdetachpending DESC, c.relname

-- name: drop_parts
-- Drop them; returns how many.
SELECT drop_history_before($1, $2)

-- name: settle_shards
-- What comes late of a shard that is not settled up to the cutoff gets times after it: before it nothing is asked for.
WITH held AS (
    SELECT shard_id FROM shard WHERE shard_id = ANY ($2::int[]) AND (settled_until IS NULL OR settled_until < $1)
    ORDER BY shard_id FOR NO KEY UPDATE)
UPDATE shard s SET settled_until = $1, version = version + 1 FROM held WHERE s.shard_id = held.shard_id

-- name: unkeyed
-- Shards with history before an instant that have no keyframe at it; of one table if one is named.
SELECT s.shard_id FROM shard s
WHERE NOT EXISTS (SELECT FROM keyframe_head h WHERE h.shard_id = s.shard_id AND h.keyframe_timestamp = $1)
    AND (EXISTS (SELECT FROM keyframe_head h WHERE h.shard_id = s.shard_id AND h.keyframe_timestamp < $1)
        OR EXISTS (SELECT FROM cdc_event e WHERE e.shard_id = s.shard_id AND e.event_timestamp < $1))
    AND ($2::text IS NULL OR s.topic = (SELECT topic FROM source_table WHERE table_name = $2))
ORDER BY s.shard_id

-- name: raise_epoch
-- From the commit on nothing before the instant is answered; returns the new epoch.
UPDATE history_epoch SET epoch = epoch + 1, retained_from = greatest(retained_from, $1) RETURNING epoch

-- name: epoch
-- The current history epoch, which nobody else raises until the end of the transaction.
SELECT epoch, retained_from FROM history_epoch FOR UPDATE

-- name: replayed
-- Whether a read replica has replayed that the epoch was raised.
SELECT epoch >= $1 FROM history_epoch

-- name: old_readers
-- How many hold an epoch of this history before this one: answers and keyframes that began earlier.
SELECT count(*) FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 2 AND objid::bigint < $1
    AND classid = (hashtext('msr.epoch.' || current_schema())::bigint & 4294967295)::oid
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())

-- name: drop_heads
-- Keyframes before the cutoff are not used any more.
DELETE FROM keyframe_head WHERE keyframe_timestamp < $1

-- name: hold_builds
-- Until the end of the transaction nobody builds a keyframe of these shards (the key is store/sql/keyframes.sql's).
SELECT pg_advisory_xact_lock(hashtext('msr.keyframe.' || current_schema()), s)
FROM (SELECT s FROM unnest($1::int[]) s ORDER BY s) x

-- name: every_shard
-- Every shard.
SELECT shard_id FROM shard ORDER BY shard_id

-- name: shards_of
-- The shards of a table's topic.
SELECT shard_id FROM shard WHERE topic = (SELECT topic FROM source_table WHERE table_name = $1) ORDER BY shard_id

-- name: count_table
-- Rows of a table before an instant, in some shards.
SELECT (SELECT count(*) FROM cdc_event WHERE shard_id = ANY ($1::int[]) AND table_name = $2 AND event_timestamp < $3)
    + (SELECT count(*) FROM keyframe k WHERE k.shard_id = ANY ($1::int[]) AND k.table_name = $2
        AND k.keyframe_timestamp < $3)

-- name: cut_table
-- Remove the events and keyframe rows of a table before an instant; returns how many.
WITH events AS (
    DELETE FROM cdc_event WHERE shard_id = ANY ($1::int[]) AND table_name = $2 AND event_timestamp < $3 RETURNING 1),
rows AS (
    DELETE FROM keyframe WHERE shard_id = ANY ($1::int[]) AND table_name = $2 AND keyframe_timestamp < $3
    RETURNING keyframe_id),
heads AS (
    UPDATE keyframe_head h SET keyframe_rows = h.keyframe_rows - r.n
    FROM (SELECT keyframe_id, count(*) AS n FROM rows GROUP BY keyframe_id) r WHERE h.keyframe_id = r.keyframe_id),
counts AS (
    DELETE FROM activity WHERE shard_id = ANY ($1::int[]) AND table_name = $2 AND bucket < $3)
SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM rows)

-- name: mark_table
-- What is left of a table begins here.
UPDATE source_table SET retained_from = greatest(retained_from, $2) WHERE table_name = $1

-- name: unmark_tables
-- Tables of which as much is left as of all history.
UPDATE source_table SET retained_from = NULL WHERE retained_from <= $1

-- name: tidy_activity
-- The activity before the cutoff goes with its events.
DELETE FROM activity WHERE bucket < $1

-- name: tidy_coverage
-- Intervals that ended before the cutoff say nothing any more.
DELETE FROM coverage WHERE covered_until <= $1

-- name: tidy_letters
-- Dead letters that are older.
DELETE FROM dead_letter WHERE created_at < $1

-- name: tidy_sessions
-- Sessions that ended and were not seen since; their timelines and bookmarks go with them.
DELETE FROM session WHERE status = 'INACTIVE' AND greatest(last_seen_at, updated_at) < $1

-- name: erase_shards
-- The shards that may hold something of an entity, written by nobody until the end of the transaction. Their owners, who
-- may remember it, begin anew.
WITH held AS (
    SELECT shard_id FROM shard s
    WHERE topic = (SELECT topic FROM source_table WHERE table_name = $1)
        OR EXISTS (SELECT FROM cdc_event e WHERE e.shard_id = s.shard_id AND e.table_name = $1 AND e.entity_id = $2)
    ORDER BY shard_id FOR NO KEY UPDATE)
UPDATE shard s SET version = version + 1 FROM held WHERE s.shard_id = held.shard_id
RETURNING s.shard_id

-- name: erase_events
-- An entity's events go; positions keep their gaps. Returns how many it had.
WITH gone AS (
    DELETE FROM cdc_event WHERE shard_id = ANY ($1::int[]) AND table_name = $2 AND entity_id = $3
    RETURNING shard_id, date_bin('1 minute', event_timestamp, 'epoch') AS bucket, tenant_id, op),
counted AS (
    UPDATE activity a SET changes = a.changes - g.n
    FROM (SELECT shard_id, bucket, tenant_id, op, count(*) AS n FROM gone GROUP BY 1, 2, 3, 4) g
    WHERE a.shard_id = g.shard_id AND a.bucket = g.bucket AND a.table_name = $2 AND a.op = g.op
        AND a.tenant_id IS NOT DISTINCT FROM g.tenant_id)
SELECT count(*) FROM gone

-- name: erase_activity
-- Buckets in which nothing but that entity was counted.
DELETE FROM activity WHERE shard_id = ANY ($1::int[]) AND table_name = $2 AND changes <= 0

-- name: erase_rows
-- Its rows in keyframes go, also where no head is left; returns how many there were.
WITH gone AS (DELETE FROM keyframe WHERE table_name = $1 AND entity_id = $2 RETURNING keyframe_id),
heads AS (UPDATE keyframe_head SET keyframe_rows = keyframe_rows - 1 WHERE keyframe_id IN (SELECT keyframe_id FROM gone))
SELECT count(*) FROM gone

-- name: erase_letters
-- Its dead letters go; returns how many there were.
WITH gone AS (DELETE FROM dead_letter WHERE table_name = $1 AND entity_id = $2 RETURNING 1)
SELECT count(*) FROM gone
