-- Replay sessions: what their owners write, what anybody reads.

-- name: lock_places
-- One at a time takes a place among the active sessions, or frees one.
SELECT pg_advisory_xact_lock(hashtext('msr.sessions'), hashtext(current_schema()))

-- name: end_unseen
-- Sessions not seen for so many seconds turn inactive, and their timelines say so.
WITH unseen AS (
    UPDATE session SET status = 'INACTIVE', ended_reason = 'unseen', occ_lock = occ_lock + 1, updated_at = $2,
        updated_by = 'msr'
    WHERE status = 'ACTIVE' AND last_seen_at < $2::timestamptz - make_interval(secs => $1)
    RETURNING id, occ_lock)
INSERT INTO session_event (session_id, number, command_id, kind, created_at, created_by)
SELECT id, occ_lock, gen_random_uuid(), 'unseen', $2, 'msr' FROM unseen RETURNING session_id

-- name: places
-- How many sessions may be active, and how many are.
SELECT (SELECT value::int FROM configuration WHERE key = 'max_active_sessions') AS most, count(*) AS taken
FROM session WHERE status = 'ACTIVE'

-- name: insert
-- A new session.
INSERT INTO session (id, user_id, username, tenant_id, status, playback, last_seen_at, created_at, updated_at,
                     created_by, updated_by)
VALUES ($1, $2, $3, $4, 'ACTIVE', $5::jsonb, $6, $6, $6, $3, $3)
RETURNING *

-- name: add_event
-- A session's timeline goes on.
INSERT INTO session_event (session_id, number, command_id, kind, detail, created_at, created_by)
VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7)

-- name: applied
-- Whether a command was applied.
SELECT true FROM session_event WHERE command_id = $1

-- name: read
-- One session.
SELECT * FROM session WHERE id = $1

-- name: change
-- Change a session as it was read; no row: it has changed meanwhile.
UPDATE session SET status = $3, ended_reason = $4, playback = $5::jsonb, ticked_at = $6,
    last_seen_at = greatest(last_seen_at, $7), updated_at = $7, updated_by = $8, occ_lock = occ_lock + 1
WHERE id = $1 AND occ_lock = $2 RETURNING *

-- name: flush
-- What was buffered: seen, and the playhead where no command has moved it since and no later tick.
UPDATE session SET last_seen_at = greatest(last_seen_at, $2),
    playback = CASE WHEN occ_lock = $3 AND coalesce($4::timestamptz > coalesce(ticked_at, '-infinity'), false)
               THEN $5::jsonb ELSE playback END,
    ticked_at = CASE WHEN occ_lock = $3 THEN greatest(ticked_at, $4) ELSE ticked_at END
WHERE id = $1 RETURNING *

-- name: seen_by_user
-- A user who replays without naming a session is seen in all of the own ones.
UPDATE session SET last_seen_at = $3
WHERE user_id = $1 AND tenant_id = $2 AND status = 'ACTIVE' AND last_seen_at < $3

-- name: terminate
-- Terminate the active ones of some sessions.
WITH ended AS (
    UPDATE session SET status = 'INACTIVE', ended_reason = 'terminated', occ_lock = occ_lock + 1, updated_at = $2,
        updated_by = $3
    WHERE id = ANY ($1::uuid[]) AND status = 'ACTIVE' RETURNING id, occ_lock)
INSERT INTO session_event (session_id, number, command_id, kind, created_at, created_by)
SELECT id, occ_lock, gen_random_uuid(), 'terminate', $2, $3 FROM ended RETURNING session_id

-- name: known
-- Which of some sessions there are; with a tenant, those of it.
SELECT id, tenant_id FROM session WHERE id = ANY ($1::uuid[]) AND ($2::text IS NULL OR tenant_id = $2) ORDER BY id FOR UPDATE

-- name: page
-- One page of sessions: of one tenant, one user, one status, where these are asked.
SELECT *, count(*) OVER () AS total FROM session
WHERE ($1::text IS NULL OR tenant_id = $1) AND ($2::text IS NULL OR user_id = $2) AND ($3::text IS NULL OR status = $3)
ORDER BY {order_by} LIMIT $4 OFFSET $5

-- name: count
-- How many sessions there are: of one tenant, one user, one status, where these are asked.
SELECT count(*) FROM session
WHERE ($1::text IS NULL OR tenant_id = $1) AND ($2::text IS NULL OR user_id = $2) AND ($3::text IS NULL OR status = $3)

-- name: timeline
-- One page of a session's timeline.
SELECT number, command_id, kind, detail, created_at, created_by, count(*) OVER () AS total
FROM session_event WHERE session_id = $1 ORDER BY {order_by} LIMIT $2 OFFSET $3

-- name: timeline_length
-- How long a session's timeline is.
SELECT count(*) FROM session_event WHERE session_id = $1

-- name: bookmarks
-- A session's bookmarks, in their order.
SELECT * FROM bookmark WHERE session_id = $1 ORDER BY rank, created_at

-- name: add_bookmark
-- A bookmark, behind the session's others.
INSERT INTO bookmark (id, session_id, tenant_id, instant, title, note, rank, created_at, updated_at, created_by, updated_by)
SELECT $1, $2, $3, $4, $5, $6, coalesce(max(rank), 0) + 1, $7, $7, $8, $8 FROM bookmark WHERE session_id = $2
RETURNING *

-- name: bookmark
-- One bookmark of a session.
SELECT * FROM bookmark WHERE id = $1 AND session_id = $2

-- name: change_bookmark
-- A bookmark says something else, or has another place; what is NULL stays.
UPDATE bookmark SET instant = coalesce($3, instant), title = coalesce($4, title), note = coalesce($5, note),
    rank = coalesce($6, rank), occ_lock = occ_lock + 1, updated_at = $7, updated_by = $8
WHERE id = $1 AND session_id = $2 RETURNING *

-- name: remove_bookmark
-- A bookmark that is no longer wanted.
DELETE FROM bookmark WHERE id = $1 AND session_id = $2 RETURNING *

-- name: changed_since
-- Those of some sessions that somebody follows; who asks compares.
SELECT * FROM session WHERE id = ANY ($1::uuid[])
