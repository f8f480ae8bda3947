-- How much happened when, and what there is to see: counted from days, hours, minutes and, at the edges, events.

-- name: by_bucket
-- Changes by table and operation in buckets of so many seconds: a row for each bucket, so that its beginning is said once.
SELECT begin, array_agg(table_name) AS table_names, array_agg(op) AS ops, array_agg(changes) AS changes FROM (
    SELECT date_bin(make_interval(secs => {seconds}), bucket, {begin}) AS begin, table_name, op, sum(changes)::bigint AS changes
    FROM ({counts}) c GROUP BY 1, 2, 3 ORDER BY 1, 2, 3) b
GROUP BY begin ORDER BY begin

-- name: totals
-- Part of the counts: whole hours or days.
SELECT bucket, table_name, op, changes FROM v_activity_total
WHERE span = {span} AND bucket >= {begin} AND bucket < {end} AND (tenant_id IS NULL OR tenant_id = {tenant})

-- name: minutes
-- Part of the counts: whole minutes.
SELECT bucket, table_name, op, changes FROM v_activity
WHERE shard_id = ANY (ARRAY(SELECT shard_id FROM shard)) AND bucket >= {begin} AND bucket < {end}
    AND (tenant_id IS NULL OR tenant_id = {tenant})

-- name: events
-- Part of the counts: of a minute that is not whole, the events themselves.
SELECT event_timestamp AS bucket, table_name, op, 1 AS changes FROM v_cdc_event
WHERE shard_id = ANY (ARRAY(SELECT shard_id FROM shard)) AND event_timestamp >= {begin} AND event_timestamp < {end}
    AND (tenant_id IS NULL OR tenant_id = {tenant})

-- name: tables
-- The tables of which the tenant may see something up to an instant: what is counted of each, and its newest row that was
-- no delete. Where retention has left no such event, the row stands in a keyframe alone, and may be all that is left.
-- The counts say where a log is read: from the bucket of the last change on, found by the day first and then by the minute.
WITH counted AS (
    SELECT table_name, sum(changes)::bigint AS changes, min(bucket) AS first,
           max(bucket) FILTER (WHERE changes > 0) AS last, max(bucket) FILTER (WHERE changes > 0 AND op <> 'd') AS last_row
    FROM ({counts}) c GROUP BY table_name)
SELECT t.table_name, t.source, coalesce(c.changes, 0) AS changes, f.first_minute,
       b.first_change_at, e.last_change_at,
       coalesce(n.event_timestamp, k.event_timestamp) AS last_row_at, coalesce(n.entity_id, k.entity_id) AS entity_id,
       coalesce(n.entity_state, k.entity_state) AS entity_state, l.kind AS location_kind, l.columns AS location_columns
FROM source_table t
LEFT JOIN counted c USING (table_name)
LEFT JOIN LATERAL (
    SELECT min(bucket) AS first_minute FROM v_activity
    WHERE shard_id = ANY (ARRAY(SELECT shard_id FROM shard s WHERE s.topic = t.topic)) AND table_name = t.table_name
        AND bucket >= date_bin('1 day', c.first, 'epoch') AND bucket < date_bin('1 day', c.first, 'epoch') + interval '24 hours'
        AND (tenant_id IS NULL OR tenant_id = {tenant})) f ON true
LEFT JOIN LATERAL (
    SELECT min(event_timestamp) AS first_change_at FROM v_cdc_event
    WHERE shard_id = ANY (ARRAY(SELECT shard_id FROM shard s WHERE s.topic = t.topic)) AND table_name = t.table_name
        AND event_timestamp >= f.first_minute AND event_timestamp < f.first_minute + interval '1 minute'
        AND event_timestamp <= {at} AND (tenant_id IS NULL OR tenant_id = {tenant})) b ON true
LEFT JOIN LATERAL (
    SELECT greatest(c.last, max(bucket)) AS since FROM v_activity
    WHERE shard_id = ANY (ARRAY(SELECT shard_id FROM shard s WHERE s.topic = t.topic)) AND table_name = t.table_name
        AND bucket >= c.last AND bucket < c.last + interval '24 hours' AND bucket < date_bin('1 minute', {at}, 'epoch')
        AND changes > 0 AND (tenant_id IS NULL OR tenant_id = {tenant})) lc ON true
LEFT JOIN LATERAL (
    SELECT greatest(c.last_row, max(bucket)) AS since FROM v_activity
    WHERE shard_id = ANY (ARRAY(SELECT shard_id FROM shard s WHERE s.topic = t.topic)) AND table_name = t.table_name
        AND bucket >= c.last_row AND bucket < c.last_row + interval '24 hours' AND bucket < date_bin('1 minute', {at}, 'epoch')
        AND changes > 0 AND op <> 'd' AND (tenant_id IS NULL OR tenant_id = {tenant})) lr ON true
LEFT JOIN LATERAL (
    SELECT max(e.event_timestamp) AS last_change_at FROM shard s CROSS JOIN LATERAL (
        SELECT event_timestamp FROM v_cdc_event
        WHERE shard_id = s.shard_id AND table_name = t.table_name AND event_timestamp >= lc.since AND event_timestamp <= {at}
            AND (tenant_id IS NULL OR tenant_id = {tenant})
        ORDER BY event_timestamp DESC, position DESC LIMIT 1) e
    WHERE s.topic = t.topic) e ON true
LEFT JOIN LATERAL (
    SELECT e.* FROM shard s CROSS JOIN LATERAL (
        SELECT event_timestamp, entity_id, entity_state FROM v_cdc_event
        WHERE shard_id = s.shard_id AND table_name = t.table_name AND event_timestamp >= lr.since AND event_timestamp <= {at}
            AND op <> 'd' AND (tenant_id IS NULL OR tenant_id = {tenant})
        ORDER BY event_timestamp DESC, position DESC LIMIT 1) e
    WHERE s.topic = t.topic ORDER BY e.event_timestamp DESC, s.shard_id LIMIT 1) n ON true
LEFT JOIN LATERAL (
    SELECT e.event_timestamp, e.entity_id, e.entity_state FROM shard s
    CROSS JOIN LATERAL (
        SELECT keyframe_id, keyframe_timestamp FROM keyframe_head
        WHERE shard_id = s.shard_id AND keyframe_timestamp <= {at} ORDER BY keyframe_timestamp DESC LIMIT 1) h
    JOIN v_keyframe e ON e.keyframe_id = h.keyframe_id AND e.keyframe_timestamp = h.keyframe_timestamp
        AND e.table_name = t.table_name AND (e.tenant_id IS NULL OR e.tenant_id = {tenant})
    WHERE s.topic = t.topic AND n.event_timestamp IS NULL
    ORDER BY e.event_timestamp DESC LIMIT 1) k ON true
LEFT JOIN LATERAL locate(coalesce(n.entity_state, k.entity_state)) l ON true
WHERE c.changes IS NOT NULL OR k.event_timestamp IS NOT NULL
ORDER BY t.table_name
