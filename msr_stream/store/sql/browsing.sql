-- One entity's history. Tenants as everywhere.

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
