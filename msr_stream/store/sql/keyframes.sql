-- How keyframes are built: read as the owner of the tables, all tenants in one.

-- name: hold_epoch
-- Until the end of the transaction nobody takes anything out of the history; the epoch that is held.
SELECT epoch FROM history_epoch, pg_advisory_xact_lock_shared(hashtext('msr.epoch.' || current_schema()), epoch::int)

-- name: epoch
-- The current history epoch.
SELECT epoch FROM history_epoch

-- name: try_build
-- Whether this transaction alone builds keyframes of a shard.
SELECT pg_try_advisory_xact_lock(hashtext('msr.keyframe.' || current_schema()), $1)

-- name: wait_build
-- The same, once nobody else does.
SELECT pg_advisory_xact_lock(hashtext('msr.keyframe.' || current_schema()), $1)

-- name: due
-- Shards with so many events since the newest keyframe that they want one.
SELECT shard_id FROM shard
WHERE shard_id = ANY ($1::int[]) AND events_since_keyframe >= greatest($2::bigint, ceil($3 * live_entities))
ORDER BY shard_id

-- name: every_shard
-- Every shard that has events.
SELECT shard_id FROM shard WHERE last_position > 0 ORDER BY shard_id

-- name: log_end
-- Up to which instant a shard's log is final: up to what is settled, and before its newest event, since no event is
-- earlier than its predecessor.
SELECT greatest(settled_until, last_effective - interval '1 microsecond') AS final_until, last_position, live_entities
FROM shard WHERE shard_id = $1

-- name: newest_head
-- The newest keyframe of a shard not after an instant.
SELECT keyframe_id, position, keyframe_timestamp, keyframe_rows FROM keyframe_head
WHERE shard_id = $1 AND keyframe_timestamp <= $2 ORDER BY keyframe_timestamp DESC, position DESC LIMIT 1

-- name: last_event
-- A shard's last event after one instant and not after another.
SELECT position, event_timestamp FROM cdc_event
WHERE shard_id = {shard} AND event_timestamp > {after} AND event_timestamp <= {until}
ORDER BY event_timestamp DESC, position DESC LIMIT 1

-- name: nth_event
-- When the event happened that is so many events after an instant.
SELECT event_timestamp FROM cdc_event
WHERE shard_id = {shard} AND event_timestamp > {after} AND event_timestamp <= {until}
ORDER BY event_timestamp, position OFFSET {number} - 1 LIMIT 1

-- name: new_id
-- A number for a keyframe.
SELECT nextval(pg_get_serial_sequence('keyframe_head', 'keyframe_id'))

-- name: fill
-- The keyframe's rows: the keyframe before it and the events between, of each entity the last, if that is no delete.
INSERT INTO keyframe (keyframe_id, keyframe_timestamp, shard_id, position, event_timestamp, source_timestamp, source_lsn,
                      op, table_name, entity_id, tenant_id, entity_state, unavailable_fields)
SELECT {keyframe}, {at}, {shard}, position, event_timestamp, source_timestamp, source_lsn,
       op, table_name, entity_id, tenant_id, entity_state, unavailable_fields
FROM (
    SELECT DISTINCT ON (table_name COLLATE "C", entity_id COLLATE "C") * FROM (
        SELECT position, event_timestamp, source_timestamp, source_lsn, op, table_name, entity_id, tenant_id, entity_state,
               unavailable_fields
        FROM keyframe WHERE keyframe_id = {before} AND keyframe_timestamp = {after}
        UNION ALL
        SELECT position, event_timestamp, source_timestamp, source_lsn, op, table_name, entity_id, tenant_id, entity_state,
               unavailable_fields
        FROM cdc_event WHERE shard_id = {shard} AND event_timestamp > {after} AND event_timestamp <= {at}) u
    ORDER BY table_name COLLATE "C", entity_id COLLATE "C", position DESC) e
WHERE op <> 'd'

-- name: add_head
-- From the commit of this row on the keyframe exists for readers.
INSERT INTO keyframe_head (keyframe_id, shard_id, position, keyframe_timestamp, keyframe_rows)
OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5)

-- name: count_live_after
-- How many entities more, by and large, live since an instant.
SELECT count(*) FILTER (WHERE op = 'c') - count(*) FILTER (WHERE op = 'd') FROM cdc_event
WHERE shard_id = {shard} AND event_timestamp > {after} AND position <= {until}

-- name: correct_shard
-- Correct the shard's counts by what is known now, whatever was flushed meanwhile; its version stays.
UPDATE shard SET live_entities = greatest(0, live_entities + $2),
    events_since_keyframe = last_position - (SELECT max(position) FROM keyframe_head WHERE shard_id = $1)
WHERE shard_id = $1
