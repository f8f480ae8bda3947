-- What there is to see: how much happened when, which tables, one entity's history. Tenants as everywhere.

-- name: activity
-- Changes by table and operation in buckets of so many seconds, from the minutes that the recorder has counted.
SELECT date_bin(make_interval(secs => $3), bucket, $1::timestamptz) AS begin, table_name, op, sum(changes)::bigint AS changes
FROM v_activity
WHERE bucket >= $1 AND bucket <= $2 AND (tenant_id IS NULL OR tenant_id = $4)
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3

-- name: tables
-- The tables of which the tenant may see something up to an instant, each with its newest row that was no delete.
SELECT t.table_name, t.source, a.changes, a.first_minute, n.event_timestamp AS last_row_at, n.entity_state, n.entity_id
FROM source_table t
JOIN (SELECT table_name, sum(changes)::bigint AS changes, min(bucket) AS first_minute FROM v_activity
      WHERE bucket <= $1 AND (tenant_id IS NULL OR tenant_id = $2) GROUP BY table_name) a USING (table_name)
LEFT JOIN LATERAL (
    SELECT e.* FROM shard s CROSS JOIN LATERAL (
        SELECT event_timestamp, entity_state, entity_id FROM v_cdc_event
        WHERE shard_id = s.shard_id AND table_name = t.table_name AND event_timestamp <= $1 AND op <> 'd'
            AND (tenant_id IS NULL OR tenant_id = $2)
        ORDER BY event_timestamp DESC, position DESC LIMIT 1) e
    WHERE s.topic = t.topic ORDER BY e.event_timestamp DESC LIMIT 1) n ON true
ORDER BY t.table_name

-- name: entity
-- One page of an entity's events after one instant and up to another, in the served order.
SELECT op, event_timestamp, source_timestamp, entity_state, unavailable_fields, count(*) OVER () AS total
FROM v_cdc_event
WHERE shard_id IN (SELECT s.shard_id FROM shard s JOIN source_table t ON t.topic = s.topic WHERE t.table_name = $1)
    AND table_name = $1 AND entity_id = $2 AND event_timestamp > $3 AND event_timestamp <= $4
    AND (tenant_id IS NULL OR tenant_id = $5)
ORDER BY event_timestamp, shard_id, position LIMIT $6 OFFSET $7

-- name: entity_before
-- An entity's last event up to an instant: of an old one a keyframe may be all that is left.
WITH shards AS (SELECT s.shard_id FROM shard s JOIN source_table t ON t.topic = s.topic WHERE t.table_name = $1)
SELECT op, entity_state FROM (
    SELECT op, entity_state, event_timestamp, shard_id, position FROM v_cdc_event
    WHERE shard_id IN (SELECT shard_id FROM shards) AND table_name = $1 AND entity_id = $2 AND event_timestamp <= $3
        AND (tenant_id IS NULL OR tenant_id = $4)
    UNION ALL
    SELECT op, entity_state, event_timestamp, shard_id, position FROM v_keyframe
    WHERE keyframe_id IN (
            SELECT DISTINCT ON (shard_id) keyframe_id FROM keyframe_head
            WHERE shard_id IN (SELECT shard_id FROM shards) AND keyframe_timestamp <= $3
            ORDER BY shard_id, keyframe_timestamp DESC)
        AND table_name = $1 AND entity_id = $2 AND (tenant_id IS NULL OR tenant_id = $4)) e
ORDER BY event_timestamp DESC, shard_id DESC, position DESC LIMIT 1
