-- Commands over a whole table: stored once, applied once by each shard.

-- name: settled_before
-- S, while nobody may move it.
SELECT settled_instant()

-- name: add_command
-- Store a command, have every shard of the topic apply it, and let S not pass it meanwhile. The other shards' owners
-- find their version moved, read their shards' progress again, and with it the command.
WITH command AS (
    INSERT INTO table_command (kind, table_name, topic, shard_id, source_timestamp, source_commit_lsn, source_lsn,
                               source_txid, command_timestamp, held_until)
    SELECT $1, $2, coalesce((SELECT topic FROM shard WHERE shard_id = $4), $3), $4, $5, $6, $7, $8, at, greatest(at - interval '1 microsecond', $10)
    FROM (SELECT greatest($9::timestamptz, max(last_effective), max(settled_until) + interval '1 microsecond') AS at
          FROM shard WHERE shard_id = $4) c
    RETURNING command_id, topic, held_until),
due AS (
    INSERT INTO table_command_due (command_id, shard_id)
    SELECT command_id, shard_id FROM command JOIN shard USING (topic) WHERE retired_at IS NULL)
UPDATE shard s SET version = version + (s.shard_id IS DISTINCT FROM $4)::int, held_until = least(s.held_until, c.held_until)
FROM command c WHERE s.topic = c.topic AND s.retired_at IS NULL

-- name: begin_epoch
-- A new capture epoch begins at a position: log sequence numbers before it are of another log.
UPDATE shard SET epoch_position = $2 WHERE shard_id = $1

-- name: will_write
-- Taken before a shard is held: who stores a command has the table first and the rows then, and must not be met half-way.
LOCK TABLE shard IN ROW EXCLUSIVE MODE

-- name: due_commands
-- What a shard has still to apply, in order.
SELECT c.command_id, c.kind, c.table_name, c.shard_id IS NOT DISTINCT FROM $1 AS carried, c.source_timestamp,
       c.source_commit_lsn, c.source_lsn, c.source_txid, c.command_timestamp
FROM table_command_due d JOIN table_command c USING (command_id) WHERE d.shard_id = $1 ORDER BY c.command_id

-- name: hold_shard
-- Until the end of the transaction nobody writes the shard; no row: its version is another.
SELECT last_position, last_effective, settled_until FROM shard WHERE shard_id = $1 AND version = $2 FOR UPDATE

-- name: take_command
-- The shard applies the command now; no row: it has done so.
DELETE FROM table_command_due WHERE shard_id = $1 AND command_id = $2 RETURNING command_id

-- name: end_entities
-- The entities of a table that live in a shard are deleted at an instant, and counted; returns how many there were.
-- With a command only those last recorded before it: by the capture's own order within its epoch, else by time.
-- What lives is in the newest keyframe and the events after it: older events may be gone.
WITH command AS (SELECT * FROM table_command WHERE command_id = $5),
head AS MATERIALIZED (
    SELECT keyframe_id, keyframe_timestamp FROM keyframe_head
    WHERE shard_id = $1 ORDER BY keyframe_timestamp DESC, position DESC LIMIT 1),
last AS (
    SELECT DISTINCT ON (entity_id) * FROM (
        SELECT k.op, k.entity_id, k.tenant_id, k.entity_state, k.unavailable_fields, k.position, k.event_timestamp,
            coalesce(k.source_timestamp, k.event_timestamp) AS source_time, e.source_commit_lsn, e.source_lsn, e.source_txid
        FROM keyframe k LEFT JOIN cdc_event e
            ON e.shard_id = $1 AND e.event_timestamp = k.event_timestamp AND e.position = k.position
        WHERE k.keyframe_id = (SELECT keyframe_id FROM head)
            AND k.keyframe_timestamp = (SELECT keyframe_timestamp FROM head) AND k.table_name = $2
        UNION ALL
        SELECT op, entity_id, tenant_id, entity_state, unavailable_fields, position, event_timestamp,
            coalesce(source_timestamp, event_timestamp), source_commit_lsn, source_lsn, source_txid
        FROM cdc_event WHERE shard_id = $1 AND table_name = $2
            AND event_timestamp > coalesce((SELECT keyframe_timestamp FROM head), '-infinity')) u
    ORDER BY entity_id, position DESC),
gone AS (
    SELECT l.entity_id, l.tenant_id, l.entity_state, l.unavailable_fields, c.source_timestamp, c.source_commit_lsn,
           c.source_lsn, c.source_txid
    FROM last l JOIN shard s ON s.shard_id = $1 LEFT JOIN command c ON true
    WHERE l.op <> 'd' AND CASE
        WHEN c.command_id IS NULL THEN true
        WHEN c.kind = 'snapshot' THEN greatest(l.event_timestamp, l.source_time) < c.source_timestamp
        WHEN l.position < s.epoch_position THEN true
        WHEN l.source_commit_lsn IS NOT NULL AND c.source_commit_lsn IS NOT NULL
            THEN (l.source_commit_lsn, l.source_lsn) < (c.source_commit_lsn, c.source_lsn)
        WHEN l.source_txid = c.source_txid THEN l.source_lsn < c.source_lsn
        ELSE l.source_time <= c.source_timestamp END),
ended AS (
    INSERT INTO cdc_event (shard_id, position, event_timestamp, source_timestamp, source_commit_lsn, source_lsn,
                           source_txid, op, table_name, entity_id, tenant_id, entity_state, unavailable_fields)
    SELECT $1, $3::bigint + row_number() OVER (ORDER BY entity_id), $4, nullif(source_timestamp, $4), source_commit_lsn,
           source_lsn, source_txid, 'd', $2, entity_id, tenant_id, entity_state, unavailable_fields
    FROM gone RETURNING tenant_id),
counted AS (
    INSERT INTO activity AS a (shard_id, bucket, table_name, tenant_id, op, changes)
    SELECT $1, date_bin('1 minute', $4, 'epoch'), $2, tenant_id, 'd', count(*) FROM ended GROUP BY tenant_id
    ON CONFLICT (shard_id, bucket, table_name, tenant_id, op) DO UPDATE SET changes = a.changes + excluded.changes)
SELECT count(*) FROM ended

-- name: move_shard
-- The shard's log is longer by so many deletes at an instant; S may pass what it has no longer to apply.
UPDATE shard s SET version = version + 1, last_position = last_position + $2, events = events + $2,
    last_effective = CASE WHEN $2 > 0 THEN $3 ELSE last_effective END,
    events_since_keyframe = events_since_keyframe + $2, live_entities = greatest(0, live_entities - $2),
    held_until = (SELECT min(c.held_until) FROM table_command_due d JOIN table_command c USING (command_id)
                  WHERE d.shard_id = s.shard_id)
WHERE shard_id = $1
RETURNING version, last_position, last_effective

-- name: count_ended
-- A command has ended so many entities more.
UPDATE table_command SET entities = entities + $2 WHERE command_id = $1

-- name: drop_commands
-- Of a table that has ended nothing is left to apply.
DELETE FROM table_command_due d USING table_command c
WHERE c.command_id = d.command_id AND c.table_name = $1 AND d.shard_id = ANY ($2::int[])
