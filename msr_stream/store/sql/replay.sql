-- What answers read. Every query that reads events filters by tenant: its own rows and shared ones.
-- The views (`v_…`) do the same once more.

-- name: epoch
-- The current history epoch.
SELECT epoch FROM history_epoch

-- name: bounds
-- Between what a replay may move.
SELECT h.epoch, h.retained_from,
       (SELECT value::int FROM configuration WHERE key = 'max_playback_range') AS max_playback_range,
       (SELECT (value #>> '{}')::timestamptz FROM configuration WHERE key = 'earliest_valid_timestamp') AS earliest_valid,
       (SELECT value::int FROM configuration WHERE key = 'query_work_mem_mb') AS work_mem_mb
FROM history_epoch h

-- name: shards
-- Every shard, in order.
SELECT shard_id FROM shard ORDER BY shard_id

-- name: incomplete
-- Tables of which an answer may not have all: they are of shards that do not live, are not retired and are not settled
-- up to its end; or they were not covered all the time between its two instants.
SELECT DISTINCT coalesce(t.table_name, substring(s.topic FROM '[^.]+\.[^.]+$'), s.topic) AS table_name
FROM shard s LEFT JOIN source_table t ON t.topic = s.topic
WHERE s.retired_at IS NULL AND (NOT s.live OR s.stopped IS NOT NULL) AND (s.settled_until IS NULL OR s.settled_until < $1)
UNION
SELECT t.table_name FROM source_table t
WHERE t.covered_from > $2 OR EXISTS (
    SELECT FROM shard s WHERE s.topic = t.topic AND NOT EXISTS (
        SELECT FROM coverage c WHERE c.shard_id = s.shard_id AND coalesce(c.covered_from, '-infinity') <= $2
            AND (coalesce(c.covered_until, 'infinity') >= $1 OR c.reason = 'retired')))
ORDER BY 1

-- name: state
-- One shard's state at an instant: the last event of each entity, if that is no delete.
SELECT {row} FROM (
    SELECT DISTINCT ON (table_name, entity_id) * FROM v_cdc_event
    WHERE shard_id = $1 AND event_timestamp <= $2 AND (tenant_id IS NULL OR tenant_id = $3)
    ORDER BY table_name, entity_id, position DESC) e
WHERE op <> 'd' AND NOT (table_name = ANY ($4::text[]) AND event_timestamp < $5)

-- name: events
-- All shards' events after one instant and up to another, in the served order.
SELECT {row} FROM v_cdc_event
WHERE shard_id = ANY ($1::int[]) AND event_timestamp > $2 AND event_timestamp <= $3
    AND (tenant_id IS NULL OR tenant_id = $4) AND NOT (table_name = ANY ($5::text[]) AND event_timestamp < $6)
ORDER BY event_timestamp, shard_id, position

-- name: row
-- An event as one line of JSON text, after a comma. Concatenated: three times as fast as json_build_object.
',{"entity_id":' || to_json(entity_id)::text
    || ',"entity_state":' || coalesce(entity_state, 'null')
    || ',"op":"' || op
    || '","event_timestamp":"' || to_char(event_timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    || CASE WHEN source_timestamp IS NULL THEN '"'
       ELSE '","source_timestamp":"' || to_char(source_timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"' END
    || ',"table_name":' || to_json(table_name)::text
    || CASE WHEN unavailable_fields IS NULL THEN '}'
       ELSE ',"unavailable_fields":' || to_json(unavailable_fields)::text || '}' END
