-- Which dialect the history is in, and what only TimescaleDB does.

-- name: recorded
-- The dialect that the schema was made in; null: not made yet, or before there were two.
SELECT value FROM module_info WHERE key = 'dialect'

-- name: record
-- Keep it: a schema stays in the dialect it was made in.
INSERT INTO module_info VALUES ('dialect', $1, 'whether the history lies in partitions (postgres) or hypertables (timescale)')
ON CONFLICT (key) DO UPDATE SET value = excluded.value

-- name: extension
-- TimescaleDB on this server: created here or not, loaded or not, which version, and under which of its licences.
SELECT a.installed_version, a.default_version, current_setting('timescaledb.disable_load', true) IS NOT NULL AS loaded,
       current_setting('timescaledb.license', true) AS license
FROM pg_available_extensions a WHERE a.name = 'timescaledb'

-- name: create_extension
-- Somebody else may do so at the same time.
CREATE EXTENSION IF NOT EXISTS timescaledb

-- name: set_chunk_interval
-- How much time a chunk holds from now on.
SELECT set_chunk_interval($1)

-- name: let_not_read_chunks
-- The reading role has no right on any chunk.
SELECT let_not_read_chunks($1)

-- name: begin_compressing
-- One worker at a time.
SELECT pg_try_advisory_lock(hashtext('msr.compress'), hashtext(current_schema()))

-- name: compression_age
-- Days after which history is compressed, where an administrator has said so.
SELECT value::int FROM configuration WHERE key = 'columnstore_compression_age_days'

-- name: compress_next
-- Compress the oldest chunk that is due; null: none is.
SELECT compress_next($1)
