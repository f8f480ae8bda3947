-- What differs between two instants. Only what has events after the one and up to the other can. Tenants as everywhere.

-- name: changed_shards
-- Shards that have events after an instant (of these tables; of none named: all), each with its newest keyframe not after it.
SELECT s.shard_id, k.keyframe_id, coalesce(k.position, 0) AS position, k.keyframe_timestamp
FROM shard s
LEFT JOIN LATERAL (
    SELECT keyframe_id, position, keyframe_timestamp FROM keyframe_head
    WHERE shard_id = s.shard_id AND keyframe_timestamp <= $1 ORDER BY keyframe_timestamp DESC, position DESC LIMIT 1) k ON true
WHERE s.last_effective > $1
    AND (cardinality($2::text[]) = 0 OR s.topic IN (SELECT topic FROM source_table WHERE table_name = ANY ($2)))
ORDER BY s.shard_id

-- name: differences
-- Of one shard, the entities with events in the window, each as it was before and as it is after, if it is; those of which
-- both are the same text are left out. One line of JSON text each, by table and entity. Literals, as for a state.
WITH touched AS MATERIALIZED (
    SELECT table_name, entity_id, max(position) AS position, max(event_timestamp) AS event_timestamp FROM v_cdc_event
    WHERE {window} AND (tenant_id IS NULL OR tenant_id = {tenant}) AND {tables} GROUP BY table_name, entity_id),
earlier AS MATERIALIZED (
    SELECT table_name, entity_id, max(e.position) AS position FROM v_cdc_event e JOIN touched t USING (table_name, entity_id)
    WHERE {events} AND (tenant_id IS NULL OR tenant_id = {tenant}) GROUP BY table_name, entity_id),
before AS (
    SELECT table_name, entity_id, entity_state, unavailable_fields, true AS there
    FROM v_keyframe k JOIN touched t USING (table_name, entity_id)
    WHERE {keyframe} AND (tenant_id IS NULL OR tenant_id = {tenant})
        AND NOT EXISTS (SELECT FROM earlier l WHERE l.table_name = k.table_name AND l.entity_id = k.entity_id)
    UNION ALL
    SELECT table_name, entity_id, entity_state, unavailable_fields, true AS there
    FROM v_cdc_event e WHERE {events} AND (tenant_id IS NULL OR tenant_id = {tenant})
        AND op <> 'd' AND e.position IN (SELECT position FROM earlier)),
after AS (
    SELECT table_name, entity_id, entity_state, unavailable_fields, true AS there
    FROM v_cdc_event e WHERE {window} AND (tenant_id IS NULL OR tenant_id = {tenant})
        AND op <> 'd' AND e.position IN (SELECT position FROM touched))
SELECT '{{"table_name":' || to_json(table_name)::text || ',"entity_id":' || to_json(entity_id)::text
    || ',"event_timestamp":"' || to_char(t.event_timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"'
    || CASE WHEN b.there THEN ',"before":' || coalesce(b.entity_state, '{{}}') ELSE '' END
    || CASE WHEN a.there THEN ',"after":' || coalesce(a.entity_state, '{{}}') ELSE '' END
    || CASE WHEN a.unavailable_fields IS NULL AND b.unavailable_fields IS NULL THEN '' ELSE ',"unavailable_fields":'
       || to_json(coalesce(b.unavailable_fields, ARRAY[]::text[]) || coalesce(a.unavailable_fields, ARRAY[]::text[]))::text END
    || '}}'
FROM touched t LEFT JOIN before b USING (table_name, entity_id) LEFT JOIN after a USING (table_name, entity_id)
WHERE a.there IS DISTINCT FROM b.there OR a.entity_state IS DISTINCT FROM b.entity_state
    OR a.unavailable_fields IS NOT NULL OR b.unavailable_fields IS NOT NULL
ORDER BY table_name COLLATE "C", entity_id COLLATE "C"

-- name: hashes
-- Until the end of the transaction: without statistics, as a young partition is, a nested loop over a shard looks cheap.
SET LOCAL enable_nestloop TO off

-- name: loops_too
-- As it was.
SET LOCAL enable_nestloop TO on
