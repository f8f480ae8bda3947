-- Coverage: in which intervals shards were recorded completely.

-- name: tables
-- Every table, and the intervals of its shards.
SELECT t.table_name, t.source, t.covered_from AS since, c.shard_id, c.covered_from, c.covered_until, c.reason
FROM source_table t JOIN shard s ON s.topic = t.topic JOIN coverage c ON c.shard_id = s.shard_id
ORDER BY t.table_name, c.shard_id, c.coverage_id

-- name: gaps
-- How many intervals of a source's shards have ended, but not for good.
SELECT s.source, count(*) FILTER (WHERE c.covered_until IS NOT NULL AND c.reason <> 'retired') AS gaps
FROM coverage c JOIN shard s USING (shard_id) GROUP BY s.source

-- name: slot_seen
-- Keep what a look at a source's replication slot has shown; a row: it is lost, which is news.
INSERT INTO source AS s (source, slot_state, slot_checked_at, slot_lost) VALUES ($1, $2, now(), $3)
ON CONFLICT (source) DO UPDATE SET slot_state = excluded.slot_state, slot_checked_at = excluded.slot_checked_at,
    slot_lost = excluded.slot_lost
RETURNING slot_lost AND NOT coalesce((SELECT slot_lost FROM source WHERE source = $1), false)

-- name: end_coverage_of_source
-- A source's shards are not complete any more beyond its newest marker; the next complete snapshot begins anew.
WITH ended AS (
    UPDATE coverage c SET reason = $2, covered_until = coalesce(greatest(s.last_effective,
        coalesce((SELECT marker_at FROM source WHERE source = $1), s.settled_until)), now())
    FROM shard s WHERE s.shard_id = c.shard_id AND s.source = $1 AND s.retired_at IS NULL AND c.covered_until IS NULL
        AND c.covered_from IS DISTINCT FROM 'infinity'
    RETURNING c.shard_id)
INSERT INTO coverage (shard_id, covered_from)
SELECT DISTINCT shard_id, CASE WHEN EXISTS (SELECT FROM snapshot_notice WHERE source = $1) THEN 'infinity' ELSE now() END
FROM ended
