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

-- name: hold_slots
-- What the last look at a source's replication slots has shown, which nobody else may change meanwhile.
SELECT slot_lost, slot_counts::text, slot_checked_at, slot_captured_until FROM source WHERE source = $1 FOR UPDATE

-- name: slot_seen
-- Keep what a look has shown, which began at $5 and ended at $6: up to its marker, and at most its beginning, all is captured.
INSERT INTO source AS s (source, slot_state, slot_lost, slot_counts, slot_captured_until, slot_checked_at)
VALUES ($1, $2, $3, $4::text::jsonb, $5, $6)
ON CONFLICT (source) DO UPDATE SET slot_state = excluded.slot_state, slot_lost = excluded.slot_lost,
    slot_counts = excluded.slot_counts, slot_checked_at = excluded.slot_checked_at,
    slot_captured_until = least(excluded.slot_captured_until,
        coalesce(s.marker_at, (SELECT min(settled_until) FROM shard h WHERE h.source = $1)))

-- name: end_coverage_of_source
-- A source's shards are not complete any more beyond $3, or its newest marker; the next complete snapshot that
-- was read after $4 begins anew.
WITH ended AS (
    UPDATE coverage c SET reason = $2, covered_until = greatest(c.covered_from, coalesce($3, greatest(s.last_effective,
        coalesce((SELECT marker_at FROM source WHERE source = $1), s.settled_until)), now()))
    FROM shard s WHERE s.shard_id = c.shard_id AND s.source = $1 AND s.retired_at IS NULL AND c.covered_until IS NULL
        AND c.covered_from IS DISTINCT FROM 'infinity'
    RETURNING c.shard_id)
INSERT INTO coverage (shard_id, not_before, covered_from)
SELECT DISTINCT shard_id, $4::timestamptz, CASE WHEN EXISTS (SELECT FROM snapshot_notice WHERE source = $1) THEN 'infinity' ELSE now() END
FROM ended
