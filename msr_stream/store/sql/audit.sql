-- Who changed what.

-- name: add
-- Note what somebody has done, in the transaction that does it.
INSERT INTO audit (user_id, username, tenant_id, action, subject, before, after, correlation_id)
VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb, $8)

-- name: page
-- One page of what was done: everything, or what concerns one tenant; by action and by user where that is asked.
SELECT audit_id, created_at, user_id, username, tenant_id, action, subject, before, after, correlation_id,
       count(*) OVER () AS total
FROM audit
WHERE ($1::text IS NULL OR tenant_id = $1) AND ($2::text IS NULL OR action = $2) AND ($3::text IS NULL OR user_id = $3)
ORDER BY {order_by} LIMIT $4 OFFSET $5

-- name: count
-- How many there are: asked when a page is empty.
SELECT count(*) FROM audit
WHERE ($1::text IS NULL OR tenant_id = $1) AND ($2::text IS NULL OR action = $2) AND ($3::text IS NULL OR user_id = $3)
