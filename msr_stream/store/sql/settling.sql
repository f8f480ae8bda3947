-- The settled instant: raised by each shard's owner, read by every answer.
-- Who writes several shards at once holds them in their order first, here and elsewhere: of two that begin with each other's
-- last one the database would end one.

-- name: newest_markers
-- The newest marker of every source that sends them.
SELECT source, marker_at FROM source WHERE marker_at IS NOT NULL

-- name: settled
-- S, the lowest settled instant of the live shards; the highest of all if none lives; null: not settled yet.
SELECT settled_instant() AS settled_until, (SELECT count(*) FROM shard) AS shards

-- name: settle
-- Raise the settled instant of idle shards; a shard that has caught up with the others lives again.
WITH held AS (SELECT shard_id FROM shard WHERE shard_id = ANY ($1) ORDER BY shard_id FOR NO KEY UPDATE)
UPDATE shard s SET settled_until = greatest(s.settled_until, x.instant), version = s.version + 1,
    live = s.live OR s.held_until IS NULL AND x.instant >= coalesce(settled_instant(), '-infinity')
FROM held JOIN unnest($1::int[], $2::bigint[], $3::timestamptz[]) AS x (shard_id, version, instant) USING (shard_id)
WHERE s.shard_id = held.shard_id AND s.version = x.version
RETURNING s.shard_id, s.version, s.settled_until

-- name: silence
-- Shards of a source that has sent nothing for a while no longer hold the others back.
WITH held AS (
    SELECT s.shard_id FROM shard s JOIN source o USING (source)
    WHERE s.live AND o.marker_at IS NOT NULL AND o.heard_at < now() - make_interval(secs => $1)
    ORDER BY s.shard_id FOR NO KEY UPDATE OF s)
UPDATE shard s SET live = false FROM held WHERE s.shard_id = held.shard_id
RETURNING s.source, s.topic, s.partition

-- name: topics_gone
-- Shards whose topic the broker does not have do not hold the others back.
WITH held AS (
    SELECT shard_id FROM shard WHERE live AND NOT topic = ANY ($1::text[]) ORDER BY shard_id FOR NO KEY UPDATE)
UPDATE shard s SET live = false FROM held WHERE s.shard_id = held.shard_id RETURNING s.topic
