-- Dead letters as administrators see them, and what a retry makes of them.

-- name: page
-- One page of them, of a source, a table, a code or a state where that is asked; keys and values only in part.
SELECT dead_letter_id AS id, topic, partition, d.record_offset AS "offset", code, reason, table_name AS "table",
       entity_id AS entity, created_at, state, outcome, resolved_at, substring(record_key FROM 1 FOR $5) AS key,
       octet_length(record_key) AS key_bytes, substring(record_value FROM 1 FOR $5) AS value,
       octet_length(record_value) AS value_bytes, count(*) OVER () AS total
FROM dead_letter d JOIN shard USING (shard_id)
WHERE ($1::text IS NULL OR source = $1) AND ($2::text IS NULL OR table_name = $2)
    AND ($3::text IS NULL OR code = $3) AND ($4::text IS NULL OR state = $4)
ORDER BY {order_by} LIMIT $6 OFFSET $7

-- name: count
-- How many there are: asked when a page is empty.
SELECT count(*) FROM dead_letter d JOIN shard USING (shard_id)
WHERE ($1::text IS NULL OR source = $1) AND ($2::text IS NULL OR table_name = $2)
    AND ($3::text IS NULL OR code = $3) AND ($4::text IS NULL OR state = $4)

-- name: in_order
-- Those of these that exist, in the order in which they came.
SELECT dead_letter_id FROM dead_letter WHERE dead_letter_id = ANY ($1::bigint[])
ORDER BY shard_id, record_offset, dead_letter_id

-- name: hold_shard
-- Until the end of the transaction nobody else writes the shard of a dead letter: its progress, and where it is.
SELECT shard_id, source, version, flushed_offset, record_offset, record_timestamp, record_hash, last_position,
       last_effective, newest_source_time, settled_until, last_commit_lsn, last_lsn, unsequenced_lsn, topic_id, stopped,
       topic, partition, retired_at, (SELECT count(*) FROM shard o WHERE o.topic = s.topic) AS partitions
FROM shard s WHERE shard_id = (SELECT shard_id FROM dead_letter WHERE dead_letter_id = $1) FOR UPDATE

-- name: letter
-- A dead letter, whole.
SELECT state, code, reason, outcome, record_offset, record_timestamp, record_key, record_value,
       record_headers::text AS record_headers
FROM dead_letter WHERE dead_letter_id = $1

-- name: superseded_by
-- Why a change comes too late, if it does: it is recorded, its entity has a later event, its table has ended since, or it
-- is older than what is kept, so that nobody knows what came after it.
-- Later is what has a higher capture sequence; where one of them has none, what has a later source time.
SELECT CASE WHEN bool_or(same) THEN 'it is recorded already, at position ' || max(position) FILTER (WHERE same)
            ELSE 'its entity has a later event, at position ' || max(position) END AS why
FROM (
    SELECT position, $4::bigint IS NOT NULL AND source_lsn = $4 AND source_txid IS NOT DISTINCT FROM $5::bigint AS same,
           CASE WHEN source_commit_lsn IS NOT NULL AND source_lsn IS NOT NULL AND $4 IS NOT NULL AND $6::bigint IS NOT NULL
                THEN (source_commit_lsn, source_lsn) > ($6, $4)
                ELSE coalesce(source_timestamp, event_timestamp) > $7::timestamptz END AS later
    FROM cdc_event WHERE shard_id = $1 AND table_name = $2 AND entity_id = $3) e
WHERE same OR later
HAVING count(*) > 0
UNION ALL
SELECT 'its table was retired later' FROM source_table WHERE table_name = $2 AND retired_at >= $7
UNION ALL
SELECT 'it is older than the history that is kept' FROM history_epoch h
WHERE greatest(h.retained_from, (SELECT t.retained_from FROM source_table t WHERE t.table_name = $2)) > $7
LIMIT 1

-- name: keep
-- It still cannot be recorded, for this reason; what it is may be known better now.
UPDATE dead_letter SET code = $2, reason = $3, source_lsn = coalesce($4, source_lsn),
    source_txid = coalesce($5, source_txid), table_name = coalesce($6, table_name), entity_id = coalesce($7, entity_id)
WHERE dead_letter_id = $1

-- name: resolve
-- It is dealt with.
UPDATE dead_letter SET state = $2, outcome = $3, resolved_at = now() WHERE dead_letter_id = $1
