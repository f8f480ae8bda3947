-- Sources as administrators see them, and tables that end.

-- name: sources
-- Every source that is known, with its newest marker and its replication slot.
SELECT n.source, o.marker_at, o.heard_at, o.slot_state
FROM (SELECT source FROM source UNION SELECT source FROM shard) n LEFT JOIN source o USING (source)
ORDER BY n.source

-- name: tables
-- Every table recorded, and how many of its events nobody sees because they have no tenant.
SELECT t.source, t.table_name, t.topic, t.published, t.first_recorded_at, t.retired_at,
       (SELECT coalesce(sum(changes), 0)::bigint FROM activity a WHERE a.table_name = t.table_name AND a.tenant_id = '')
       AS without_tenant
FROM source_table t ORDER BY t.source, t.table_name

-- name: shards
-- How far every shard is.
SELECT source, topic, partition, flushed_offset, last_position, last_effective, settled_until, events, live_entities,
       copies, dead_letters, live, stopped, retired_at
FROM shard ORDER BY source, topic, partition

-- name: published
-- Keep which tables of a source are published now; only what changed is written.
UPDATE source_table SET published = table_name = ANY ($2::text[])
WHERE source = $1 AND published IS DISTINCT FROM (table_name = ANY ($2::text[]))
RETURNING table_name, published

-- name: hold_shards
-- Until the end of the transaction nobody writes the shards of a table, nor those of its source that hold no table.
SELECT shard_id, topic = $2 AS holds_table, last_position, last_effective, settled_until FROM shard s
WHERE topic = $2 OR source = $1 AND NOT EXISTS (SELECT FROM source_table t WHERE t.topic = s.topic)
ORDER BY shard_id FOR UPDATE

-- name: bound_change
-- Within this transaction a change may take its time, but a worker that is frozen must lose what it holds.
SELECT set_config('statement_timeout', '10min', true), set_config('idle_in_transaction_session_timeout', $1, true)

-- name: table
-- A table of a source, and when it was retired, if it was.
SELECT topic, retired_at FROM source_table WHERE source = $1 AND table_name = $2

-- name: retire_table
-- The table has ended; its next record lets it live again.
UPDATE source_table SET retired_at = $2 WHERE table_name = $1

-- name: retire_shards
-- Of the shards held, those end of whose topic every table has ended; those without a table with the source's last one.
WITH ended AS (
    UPDATE shard s SET version = version + 1, retired_at = $2, live_entities = 0,
        settled_until = greatest(settled_until, $2)
    WHERE shard_id = ANY ($1::int[]) AND retired_at IS NULL AND NOT EXISTS (
        SELECT FROM source_table t WHERE t.source = s.source AND t.retired_at IS NULL
            AND (t.topic = s.topic OR NOT EXISTS (SELECT FROM source_table o WHERE o.topic = s.topic)))
    RETURNING shard_id),
covered AS (
    UPDATE coverage c SET covered_until = $2, reason = 'retired' FROM ended e
    WHERE c.shard_id = e.shard_id AND c.covered_until IS NULL)
SELECT shard_id FROM ended
