-- The settled instant: raised by each shard's owner, read by every answer.

-- name: newest_markers
-- The newest marker of every source that sends them.
SELECT source, marker_at FROM source WHERE marker_at IS NOT NULL

-- name: settled
-- S, the lowest settled instant of the live shards; the highest of all if none lives; null: not settled yet.
SELECT settled_instant() AS settled_until, (SELECT count(*) FROM shard) AS shards

-- name: settle
-- Raise the settled instant of idle shards; a shard that has caught up with the others lives again.
UPDATE shard s SET settled_until = greatest(s.settled_until, x.instant), version = s.version + 1,
    live = s.live OR s.held_until IS NULL AND x.instant >= coalesce(settled_instant(), '-infinity')
FROM unnest($1::int[], $2::bigint[], $3::timestamptz[]) AS x (shard_id, version, instant)
WHERE s.shard_id = x.shard_id AND s.version = x.version
RETURNING s.shard_id, s.version, s.settled_until

-- name: silence
-- Shards of a source that has sent nothing for a while no longer hold the others back.
UPDATE shard s SET live = false FROM source o
WHERE o.source = s.source AND s.live AND o.marker_at IS NOT NULL AND o.heard_at < now() - make_interval(secs => $1)
RETURNING s.source, s.topic, s.partition

-- name: topics_gone
-- Shards whose topic the broker does not have do not hold the others back.
UPDATE shard SET live = false WHERE live AND NOT topic = ANY ($1::text[]) RETURNING topic
