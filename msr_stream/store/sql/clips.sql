-- Clips: kept, found and deleted; and what answers about a clip read of it, through the views of one tenant's rows.

-- name: add
-- A clip, before its rows.
INSERT INTO clip (clip_id, name, tenant_id, start_timestamp, end_timestamp, exported_at, incomplete, filters,
    state_rows, event_rows, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, $9)

-- name: twice
-- The number of the first row of the state whose entity another one has already, in a clip that starts at an instant.
SELECT min(position) FROM (
    SELECT position, row_number() OVER (PARTITION BY table_name, entity_id ORDER BY position) AS n
    FROM clip_event WHERE clip_id = $1 AND event_timestamp <= $2) s
WHERE n > 1

-- name: count
-- Keep how many rows a clip has.
UPDATE clip SET state_rows = $2, event_rows = $3 WHERE clip_id = $1

-- name: find
-- One clip of a tenant.
SELECT * FROM clip WHERE clip_id = $1 AND tenant_id = $2

-- name: seen
-- The same in an answer's snapshot.
SELECT * FROM v_clip WHERE clip_id = $1 AND tenant_id = $2

-- name: page
-- One page of the clips of a tenant; without one, of all.
SELECT *, count(*) OVER () AS total FROM clip WHERE $1::text IS NULL OR tenant_id = $1
ORDER BY {order_by} LIMIT $2 OFFSET $3

-- name: total
-- How many clips a tenant has; without one, all.
SELECT count(*) FROM clip WHERE $1::text IS NULL OR tenant_id = $1

-- name: delete
-- Delete a clip with all its rows; of a tenant, or with none of any.
DELETE FROM clip WHERE clip_id = $1 AND ($2::text IS NULL OR tenant_id = $2) RETURNING name, tenant_id

-- name: look_into
-- The clip that the statements of this transaction ask, and how much memory each may take.
SELECT set_config('msr.clip', $1, true), set_config('work_mem', (
    SELECT value::int * 1024 FROM configuration WHERE key = 'query_work_mem_mb')::text, true)

-- name: state
-- A clip's state at an instant: the last row of each entity, if that is no delete. Only what is narrow is sorted.
WITH last AS MATERIALIZED (
    SELECT max(position) AS position FROM v_clip_event
    WHERE clip_id = {clip} AND event_timestamp <= {at} AND tenant_id = {tenant} GROUP BY table_name, entity_id)
SELECT {row} FROM v_clip_event e
WHERE clip_id = {clip} AND event_timestamp <= {at} AND tenant_id = {tenant}
    AND op <> 'd' AND position IN (SELECT position FROM last) AND {where}

-- name: events
-- A clip's events after one instant and up to another, in the served order.
SELECT {row} FROM v_clip_event
WHERE clip_id = {clip} AND event_timestamp > {start} AND event_timestamp <= {end} AND tenant_id = {tenant} AND {where}
ORDER BY event_timestamp, position

-- name: counted_events
-- Part of the counts, as of the history: a clip has nothing but its events.
SELECT event_timestamp AS bucket, table_name, op, 1 AS changes FROM v_clip_event
WHERE clip_id = current_setting('msr.clip')::uuid AND event_timestamp >= {begin} AND event_timestamp < {end}
    AND tenant_id = {tenant}

-- name: counted_tables
-- As of the history: the tables of which there is something up to an instant, each with its newest row that was no delete.
SELECT t.table_name, 'clip' AS source, t.changes, t.first_minute, t.first_change_at,
       t.last_change_at, n.event_timestamp AS last_row_at,
       n.entity_id, n.entity_state, l.kind AS location_kind, l.columns AS location_columns
FROM (SELECT table_name, count(*) AS changes, date_trunc('minute', min(event_timestamp)) AS first_minute,
             min(event_timestamp) AS first_change_at, max(event_timestamp) AS last_change_at
      FROM v_clip_event WHERE clip_id = current_setting('msr.clip')::uuid AND event_timestamp <= {at} AND tenant_id = {tenant}
      GROUP BY table_name) t
LEFT JOIN LATERAL (
    SELECT event_timestamp, entity_id, entity_state FROM v_clip_event
    WHERE clip_id = current_setting('msr.clip')::uuid AND table_name = t.table_name AND event_timestamp <= {at}
        AND op <> 'd' AND tenant_id = {tenant}
    ORDER BY event_timestamp DESC, position DESC LIMIT 1) n ON true
LEFT JOIN LATERAL locate(n.entity_state) l ON true
ORDER BY t.table_name

-- name: entity
-- As of the history: one page of an entity's events after one instant and up to another, in the served order.
SELECT op, event_timestamp, source_timestamp, entity_state, unavailable_fields, count(*) OVER () AS total
FROM v_clip_event
WHERE clip_id = current_setting('msr.clip')::uuid AND table_name = $1 AND entity_id = $2
    AND event_timestamp > $3 AND event_timestamp <= $4 AND tenant_id = $5
ORDER BY event_timestamp, position LIMIT $6 OFFSET $7

-- name: entity_before
-- As of the history: an entity's last event up to an instant.
SELECT op, entity_state FROM v_clip_event
WHERE clip_id = current_setting('msr.clip')::uuid AND table_name = $1 AND entity_id = $2 AND event_timestamp <= $3
    AND tenant_id = $4
ORDER BY event_timestamp DESC, position DESC LIMIT 1
