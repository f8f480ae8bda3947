-- The role that answers read as.

-- name: still_needed
-- The statement that makes the role or lets this user take it; null: nothing is needed. $2 is SET, or MEMBER before PostgreSQL 16.
SELECT CASE WHEN r.oid IS NULL THEN format('CREATE ROLE %I NOLOGIN ROLE %I', n.name, session_user)
            WHEN NOT pg_has_role(session_user, r.oid, $2) THEN format('GRANT %I TO %I', n.name, session_user) END
FROM (SELECT $1::text AS name) n LEFT JOIN pg_roles r ON r.rolname = n.name

-- name: let_read
-- Give the role its rights in the current schema, and make sure that it has no others.
SELECT let_read($1)

-- name: set_tenant
-- Whose rows the views show until the transaction ends.
SELECT set_config('msr.tenant', $1, true)
