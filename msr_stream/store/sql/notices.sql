-- Snapshots as the capture tells of them, and what a complete one shows.

-- name: add_notice
-- Keep a notification; one that comes again is kept already.
INSERT INTO snapshot_notice (notice_id, source, kind, table_name, rows_scanned, told_at, request_id)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (notice_id) DO NOTHING

-- name: open_snapshots
-- Completed snapshots of which nothing was made yet, in order, with the notification of their beginning; only once
-- the source's live shards are settled up to their end: a table may have its first record on the way.
SELECT c.notice_number, c.source, c.created_at,
       coalesce(s.notice_number, 0) AS started_number, coalesce(s.told_at, c.told_at) AS started_at
FROM snapshot_notice c LEFT JOIN LATERAL (
    SELECT notice_number, told_at FROM snapshot_notice s
    WHERE s.source = c.source AND s.kind = 'STARTED' AND s.request_id IS NULL AND s.notice_number < c.notice_number
    ORDER BY notice_number DESC LIMIT 1) s ON true
WHERE c.kind = 'COMPLETED' AND c.request_id IS NULL AND c.outcome IS NULL AND NOT EXISTS (
    SELECT FROM shard s WHERE s.source = c.source AND s.live AND s.stopped IS NULL AND s.retired_at IS NULL
        AND (s.settled_until IS NULL OR s.settled_until < c.created_at))
ORDER BY c.notice_number

-- name: snapshot_tables
-- The recorded tables that a snapshot has read whole, and whether all their shards are settled up to its end.
SELECT n.table_name, t.topic, n.rows_scanned, array_agg(s.shard_id) AS shards,
       coalesce(bool_and(s.settled_until >= $4), false) AS recorded
FROM snapshot_notice n JOIN source_table t ON t.table_name = n.table_name AND t.source = n.source
JOIN shard s ON s.topic = t.topic AND s.retired_at IS NULL AND s.stopped IS NULL
WHERE n.source = $1 AND n.kind = 'TABLE_SCAN_COMPLETED' AND n.notice_number > $2 AND n.notice_number < $3
    AND n.rows_scanned IS NOT NULL AND n.request_id IS NULL
GROUP BY n.table_name, t.topic, n.rows_scanned

-- name: snapshot_time
-- The time that the rows of a snapshot bear, which is the source's clock: one of which all rows of the table are recorded.
SELECT read_at FROM (
    SELECT coalesce(source_timestamp, event_timestamp) AS read_at, entity_id, event_timestamp FROM cdc_event
    WHERE shard_id = ANY ($1::int[]) AND table_name = $2 AND event_timestamp >= $4::timestamptz - interval '1 hour'
        AND source_lsn IS NULL AND op <> 'd') e
WHERE read_at BETWEEN $4::timestamptz - interval '1 hour' AND $5::timestamptz + interval '1 minute'
    AND event_timestamp >= read_at
GROUP BY read_at HAVING count(DISTINCT entity_id) = $3
ORDER BY abs(extract(epoch FROM read_at - $4::timestamptz)) LIMIT 1

-- name: has_earlier
-- Whether anything of a table was recorded before an instant.
SELECT EXISTS (SELECT FROM cdc_event WHERE shard_id = ANY ($1::int[]) AND table_name = $2 AND event_timestamp < $3)

-- name: close_snapshot
-- Say what was made of a completed snapshot; no row: somebody else has.
UPDATE snapshot_notice SET outcome = $2 WHERE notice_number = $1 AND outcome IS NULL RETURNING notice_number

-- name: cover
-- A complete snapshot begins the coverage of shards that have waited for one.
UPDATE coverage c SET covered_from = $2 WHERE shard_id = ANY ($1::int[]) AND covered_from = 'infinity' AND covered_until IS NULL
    AND (c.not_before IS NULL OR c.not_before <= $2)
    AND NOT EXISTS (SELECT FROM coverage e WHERE e.shard_id = c.shard_id AND e.covered_until > $2)

-- name: requested
-- Keep that an incremental snapshot is asked for, with what is settled of all the source's shards; not while one has nothing settled.
INSERT INTO snapshot_request (request_id, source, settled_until)
SELECT $1, $2, min(settled_until) FROM shard WHERE source = $2 AND retired_at IS NULL AND stopped IS NULL
HAVING bool_and(settled_until IS NOT NULL)

-- name: open_pieces
-- Completed incremental snapshots of which nothing was made yet, once the source's live shards are settled up to their end.
-- One that was asked for here and began as itself: one that is asked for while another is under way goes on with that one's
-- reading, and is told no beginning. `settled_until` is null for all others.
SELECT c.notice_number, c.source, c.request_id, c.created_at, CASE WHEN EXISTS (
    SELECT FROM snapshot_notice s WHERE s.request_id = c.request_id AND s.kind = 'STARTED' AND s.notice_number < c.notice_number)
    THEN r.settled_until END AS settled_until, r.asked_at
FROM snapshot_notice c LEFT JOIN snapshot_request r ON r.request_id = c.request_id AND r.source = c.source
WHERE c.kind = 'COMPLETED' AND c.request_id IS NOT NULL AND c.outcome IS NULL AND NOT EXISTS (
    SELECT FROM shard s WHERE s.source = c.source AND s.live AND s.stopped IS NULL AND s.retired_at IS NULL
        AND (s.settled_until IS NULL OR s.settled_until < c.created_at))
ORDER BY c.notice_number

-- name: pieced_tables
-- The tables that an incremental snapshot has read to their end, whether all their shards are settled up to its end ($2), and
-- whether something of them has not been recorded since it was asked for ($3, $4): dead letters, and logs that were lost.
SELECT n.table_name, t.topic, coalesce(bool_and(s.settled_until >= $2), false) AS recorded,
       bool_or(EXISTS (SELECT FROM dead_letter d WHERE d.shard_id = s.shard_id AND d.created_at >= $3
                           AND coalesce(d.table_name, n.table_name) = n.table_name)
           OR EXISTS (SELECT FROM coverage v WHERE v.shard_id = s.shard_id AND v.covered_until >= $4)) AS missing
FROM snapshot_notice n JOIN source_table t ON t.table_name = n.table_name AND t.source = n.source
JOIN shard s ON s.topic = t.topic AND s.retired_at IS NULL AND s.stopped IS NULL
WHERE n.request_id = $1 AND n.kind = 'TABLE_SCAN_COMPLETED' AND n.rows_scanned IS NOT NULL
GROUP BY n.table_name, t.topic
