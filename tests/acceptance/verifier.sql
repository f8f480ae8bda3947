-- What the verifier asks the source database; verifier.py fills in {…}.

-- name: match
-- Each change with the event that recorded it. A change of tenant is two events of one log record: a delete, a create.
INSERT INTO proof.recorded
WITH change AS (
    SELECT *, row_number() OVER (PARTITION BY txid, table_name, entity_id ORDER BY number) AS turn FROM proof.change
), joined AS (
    SELECT shard_id, max(position) AS position, lsn, txid, table_name, entity_id,
           CASE WHEN count(*) = 1 THEN min(op) WHEN array_agg(op ORDER BY position) = '{{d,c}}' THEN 'u'
                ELSE 'twice: ' || string_agg(op, ',' ORDER BY position) END AS op,
           (array_agg(tenant ORDER BY position DESC))[1] AS tenant,
           (array_agg(state ORDER BY position DESC))[1] AS state,
           (array_agg(coalesce(unavailable::text, '') ORDER BY position DESC))[1] AS unavailable,
           max(coalesce(source_timestamp, event_timestamp)) AS source_time,
           max(event_timestamp) AS effective
    FROM proof.event
    GROUP BY shard_id, lsn, txid, table_name, entity_id, CASE WHEN lsn IS NULL THEN position END
), event AS (
    SELECT *, row_number() OVER (PARTITION BY txid, table_name, entity_id ORDER BY position) AS turn FROM joined
)
SELECT c.number, coalesce(c.table_name, e.table_name), coalesce(c.entity_id, e.entity_id), c.op, c.tenant, c.committed_at,
       e.shard_id, e.position, e.op, e.tenant, e.source_time, e.effective,
       lead(e.effective) OVER (PARTITION BY c.table_name, c.entity_id ORDER BY c.number),
       e.state, nullif(e.unavailable, '')::text[]
FROM change c FULL JOIN event e USING (txid, table_name, entity_id, turn)

-- name: problems
-- What is missing, twice, or not as it was.
WITH look AS (
    SELECT *, lag(position) OVER entity AS previous, lag(shard_id) OVER entity AS previous_shard
    FROM proof.recorded WINDOW entity AS (PARTITION BY table_name, entity_id ORDER BY number)
)
SELECT CASE WHEN position IS NULL THEN 'missing'
            WHEN number IS NULL THEN 'twice, or never committed'
            WHEN op <> event_op THEN 'another operation'
            WHEN tenant IS DISTINCT FROM event_tenant THEN 'another tenant'
            WHEN committed_at <> source_time THEN 'another source time'
            WHEN shard_id <> previous_shard OR position <= previous THEN 'another order'
            WHEN effective < source_time THEN 'earlier than it was committed'
            WHEN unavailable IS NOT NULL THEN 'values unavailable' END AS problem,
       table_name, entity_id, number, op, event_op, tenant, event_tenant, committed_at, source_time, shard_id, position,
       unavailable
FROM look
WHERE number IS NULL OR position IS NULL OR op <> event_op OR tenant IS DISTINCT FROM event_tenant
    OR committed_at <> source_time OR shard_id <> previous_shard OR position <= previous OR effective < source_time
    OR unavailable IS NOT NULL
ORDER BY number LIMIT 20

-- name: columns
-- The columns of a table and how a replayed value becomes one of its type.
SELECT a.attname, format_type(a.atttypid, a.atttypmod) AS type, t.typcategory = 'A' AS is_array
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = {table}::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum

-- name: values
-- Events whose state is not the row's, with the columns that differ.
SELECT r.table_name, r.entity_id, r.number, r.op, w.wrong, r.state::text, p.image::text
FROM proof.recorded r JOIN proof.{name} p USING (number)
CROSS JOIN LATERAL (SELECT array_remove(ARRAY[{differences}]::text[], NULL) AS wrong) w
WHERE r.position IS NOT NULL AND (w.wrong <> '{{}}' OR r.state IS NULL)
ORDER BY r.number LIMIT 5

-- name: states
-- Where a replayed state is not the fold of the proof by effective time, for every look at it.
WITH looks AS (
    SELECT DISTINCT at, viewer FROM proof.replayed
), folded AS (
    SELECT l.at, l.viewer, r.entity_id, r.number, r.effective, r.op FROM looks l JOIN proof.recorded r
    ON r.table_name = 'truth.' || {literal} AND r.effective <= l.at AND (r.effective_until IS NULL OR r.effective_until > l.at)
        AND r.op <> 'd' AND (r.tenant IS NULL OR r.tenant = l.viewer)
), seen AS (
    SELECT * FROM proof.replayed WHERE table_name = 'truth.' || {literal}
)
SELECT at, viewer, entity_id, f.number, w.wrong, f.effective, r.event_timestamp, r.state::text
FROM folded f FULL JOIN seen r USING (at, viewer, entity_id)
LEFT JOIN (SELECT number, image FROM proof.{name}) p USING (number)
CROSS JOIN LATERAL (SELECT array_remove(ARRAY[{differences}]::text[], NULL) AS wrong) w
WHERE f.number IS NULL OR r.state IS NULL OR w.wrong <> '{{}}' OR f.effective <> r.event_timestamp
ORDER BY at, entity_id LIMIT 5

-- name: load
-- One answer, as it came: its numbers are never parsed outside of PostgreSQL.
INSERT INTO proof.replayed
SELECT %s, %s, e ->> 'op', e ->> 'table_name', e ->> 'entity_id', (e ->> 'event_timestamp')::timestamptz, e -> 'entity_state'
FROM json_array_elements((%s::json) -> 'data') e
WHERE e ->> 'table_name' LIKE 'truth.%%'

-- name: instants
-- Instants at which much happened: those of changes, and just before.
SELECT effective - CASE WHEN random() < 0.3 THEN interval '1 microsecond' ELSE interval '0' END
FROM proof.recorded WHERE effective > %s ORDER BY random() LIMIT %s

-- name: lifts
-- By how much effective times are above source times, in milliseconds.
SELECT count(*), count(*) FILTER (WHERE effective <> source_time),
       percentile_disc(ARRAY[0.5, 0.99, 0.999, 1]) WITHIN GROUP
           (ORDER BY extract(epoch FROM effective - source_time) * 1000)
FROM proof.recorded WHERE committed_at > %s

-- name: lifted
-- Changes lifted by more than so many milliseconds.
SELECT table_name, entity_id, number, committed_at, effective, shard_id, position FROM proof.recorded
WHERE committed_at > %s AND effective - source_time > make_interval(secs => %s / 1000.0) ORDER BY number LIMIT 20
