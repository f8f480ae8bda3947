-- What a listener asks of the past as it comes to be, as the reading role.

-- name: behind
-- Shards of which more may come up to an instant, with their own settled instants, and those that a listener has not been
-- told as far: with the tables whose events they carry.
SELECT shard_id, behind, settled_until, tables FROM (
    SELECT s.shard_id, s.settled_until, s.retired_at IS NULL AND (NOT s.live OR s.stopped IS NOT NULL)
               AND (s.settled_until IS NULL OR s.settled_until < $1) AS behind,
           (SELECT coalesce(array_agg(t.table_name), ARRAY[coalesce(substring(s.topic FROM '[^.]+\.[^.]+$'), s.topic)])
            FROM source_table t WHERE t.topic = s.topic) AS tables
    FROM shard s) x
WHERE behind OR shard_id = ANY ($2::int[])
