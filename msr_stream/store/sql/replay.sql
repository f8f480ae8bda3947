-- What answers read. Every query that reads events filters by tenant: its own rows and shared ones.
-- The views (`v_…`) do the same once more.

-- name: epoch
-- The current history epoch.
SELECT epoch FROM history_epoch

-- name: hold_epoch
-- Until it is let go nobody takes anything out of the history that this epoch has. The key is the schema's own: two
-- histories may share a database. So it stands in keyframes.sql and retention.sql too.
SELECT pg_advisory_lock_shared(hashtext('msr.epoch.' || current_schema()), $1)

-- name: hold_epoch_now
-- The same, if that needs no waiting; returns whether it is held.
SELECT pg_try_advisory_lock_shared(hashtext('msr.epoch.' || current_schema()), $1)

-- name: let_epoch_go
-- Who waits for the epoch need not wait for this connection any more.
SELECT pg_advisory_unlock_shared(hashtext('msr.epoch.' || current_schema()), $1)

-- name: bounds
-- Between what a replay may move.
SELECT h.epoch, h.retained_from,
       (SELECT value::int FROM configuration WHERE key = 'max_playback_range') AS max_playback_range,
       (SELECT (value #>> '{}')::timestamptz FROM configuration WHERE key = 'earliest_valid_timestamp') AS earliest_valid,
       (SELECT value::int FROM configuration WHERE key = 'query_work_mem_mb') AS work_mem_mb
FROM history_epoch h

-- name: plan
-- By shard, the newest keyframe not after an instant, and how many rows there are to read at most: the keyframe's, and
-- the events up to the next one. Shards without any event are left out, and those that hold none of the tables asked for
-- ($2; null: all); one of which no table is known yet may hold any.
SELECT s.shard_id, k.keyframe_id, coalesce(k.position, 0) AS position, k.keyframe_timestamp,
       coalesce(k.keyframe_rows, 0) + coalesce(n.position, s.last_position) - coalesce(k.position, 0) AS to_read
FROM shard s
LEFT JOIN LATERAL (
    SELECT keyframe_id, position, keyframe_timestamp, keyframe_rows FROM keyframe_head
    WHERE shard_id = s.shard_id AND keyframe_timestamp <= $1 ORDER BY keyframe_timestamp DESC, position DESC LIMIT 1) k ON true
LEFT JOIN LATERAL (
    SELECT position FROM keyframe_head
    WHERE shard_id = s.shard_id AND keyframe_timestamp > $1 ORDER BY keyframe_timestamp, position LIMIT 1) n ON true
WHERE s.last_position > 0
    AND ($2::text[] IS NULL OR s.topic IN (SELECT topic FROM source_table WHERE table_name = ANY ($2))
        OR NOT EXISTS (SELECT FROM source_table t WHERE t.topic = s.topic))
ORDER BY s.shard_id

-- name: shards_since
-- Shards that have events after an instant, in order; tables as in `plan`.
SELECT shard_id FROM shard s WHERE last_effective > $1
    AND ($2::text[] IS NULL OR s.topic IN (SELECT topic FROM source_table WHERE table_name = ANY ($2))
        OR NOT EXISTS (SELECT FROM source_table t WHERE t.topic = s.topic))
ORDER BY shard_id

-- name: pending
-- Tables of which more may still come: of shards that do not live, are not retired and are not settled up to the instant.
SELECT DISTINCT coalesce(t.table_name, substring(s.topic FROM '[^.]+\.[^.]+$'), s.topic) AS table_name
FROM shard s LEFT JOIN source_table t ON t.topic = s.topic
WHERE s.retired_at IS NULL AND (NOT s.live OR s.stopped IS NOT NULL) AND (s.settled_until IS NULL OR s.settled_until < $1)

-- name: uncovered
-- Tables that were not recorded completely from one instant to another, or of which retention has left less than that.
SELECT t.table_name FROM source_table t
WHERE t.covered_from > $1 OR t.retained_from > $1 OR EXISTS (
    SELECT FROM shard s WHERE s.topic = t.topic AND NOT EXISTS (
        SELECT FROM coverage c WHERE c.shard_id = s.shard_id AND coalesce(c.covered_from, '-infinity') <= $1
            AND (coalesce(c.covered_until, 'infinity') >= $2 OR c.reason = 'retired')))

-- name: state
-- One shard's state at an instant: its keyframe's rows without a later event, then the last of the later events of each
-- entity, if that is no delete. Nothing wide is sorted, and the first rows come at once. Literals, not parameters: only
-- with them are partitions left out.
WITH last AS MATERIALIZED (
    SELECT table_name, entity_id, max(position) AS position FROM v_cdc_event
    WHERE {events} AND (tenant_id IS NULL OR tenant_id = {tenant}) GROUP BY table_name, entity_id)
SELECT {row} FROM (
    SELECT position, event_timestamp, source_timestamp, op, table_name, entity_id, entity_state, unavailable_fields
    FROM v_keyframe k WHERE {keyframes} AND (tenant_id IS NULL OR tenant_id = {tenant})
        AND NOT EXISTS (SELECT FROM last l WHERE l.table_name = k.table_name AND l.entity_id = k.entity_id)
    UNION ALL
    SELECT position, event_timestamp, source_timestamp, op, table_name, entity_id, entity_state, unavailable_fields
    FROM v_cdc_event WHERE {events} AND (tenant_id IS NULL OR tenant_id = {tenant})
        AND op <> 'd' AND position IN (SELECT position FROM last)) e
WHERE {where}

-- name: small_states
-- The same of several shards with few rows, in one statement.
SELECT {row} FROM (
    SELECT DISTINCT ON (shard_id, table_name COLLATE "C", entity_id COLLATE "C") * FROM (
        SELECT shard_id, position, event_timestamp, source_timestamp, op, table_name, entity_id, entity_state,
               unavailable_fields
        FROM v_keyframe WHERE {keyframes} AND (tenant_id IS NULL OR tenant_id = {tenant})
        UNION ALL
        SELECT shard_id, position, event_timestamp, source_timestamp, op, table_name, entity_id, entity_state,
               unavailable_fields
        FROM v_cdc_event WHERE ({events}) AND (tenant_id IS NULL OR tenant_id = {tenant})) u
    ORDER BY shard_id, table_name COLLATE "C", entity_id COLLATE "C", position DESC) e
WHERE op <> 'd' AND {where}

-- name: hashes_only
-- Until the end of the transaction: without statistics, as a young partition is, a nested loop over a shard looks cheap;
-- and a merge would sort a keyframe's wide rows by text, where hashing the few narrow ones takes a tenth of the time.
SELECT set_config('enable_nestloop', 'off', true), set_config('enable_mergejoin', 'off', true)

-- name: any_join
-- As it was.
SELECT set_config('enable_nestloop', 'on', true), set_config('enable_mergejoin', 'on', true)

-- name: events
-- Some shards' events after one instant and up to another, in the served order; literals, as above.
SELECT {row} FROM v_cdc_event
WHERE {shards} AND event_timestamp > {start} AND event_timestamp <= {end}
    AND (tenant_id IS NULL OR tenant_id = {tenant}) AND {where}
ORDER BY event_timestamp, shard_id, position

-- name: row
-- An event as one line of JSON text, after a comma. Concatenated: three times as fast as json_build_object; what comes
-- after the entity first with itself, so that the entity's text, the largest of them, is copied twice and not nine times.
',{"entity_id":' || to_json(entity_id)::text || ',"entity_state":' || coalesce(entity_state, 'null')
    || (',"op":"' || op
        || '","event_timestamp":"' || to_char(event_timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        || CASE WHEN source_timestamp IS NULL THEN '"' ELSE
           '","source_timestamp":"' || to_char(source_timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"' END
        || ',"table_name":' || to_json(table_name)::text
        || CASE WHEN unavailable_fields IS NULL THEN '}'
           ELSE ',"unavailable_fields":' || to_json(unavailable_fields)::text || '}' END)

-- name: in_box
-- Whether a row says that its entity is between two meridians and two parallels.
EXISTS (SELECT FROM location_of(entity_state) AS l WHERE l[0] BETWEEN {west} AND {east} AND l[1] BETWEEN {south} AND {north})

-- name: in_box_across
-- The same where the meridian of 180 degrees lies between.
EXISTS (SELECT FROM location_of(entity_state) AS l WHERE (l[0] >= {west} OR l[0] <= {east}) AND l[1] BETWEEN {south} AND {north})

-- name: near
-- Whether a row says that its entity is no farther from a point than so many metres.
EXISTS (SELECT FROM location_of(entity_state) AS l WHERE metres_between(l, point({lon}, {lat})) <= {metres})
