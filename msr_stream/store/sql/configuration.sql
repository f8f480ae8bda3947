-- The runtime configuration.

-- name: read
-- Every stored setting.
SELECT key, value FROM configuration

-- name: lock
-- Some settings as they are, held until the change is made.
SELECT key, value FROM configuration WHERE key = ANY ($1::text[]) ORDER BY key FOR UPDATE

-- name: write
-- Change one setting.
INSERT INTO configuration (key, value, updated_at, updated_by) VALUES ($1, $2::jsonb, now(), $3)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at, updated_by = excluded.updated_by
