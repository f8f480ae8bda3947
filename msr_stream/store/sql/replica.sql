-- What is asked of the history database and of its read replica about one another.

-- name: written
-- How far the history database has written its log.
SELECT pg_current_wal_lsn()::text

-- name: lag
-- How old, in seconds, the newest transaction is that a server has replayed: 0 if it has replayed everything up to a place
-- in the log, or replays nothing; null: it has replayed nothing yet.
SELECT CASE WHEN NOT pg_is_in_recovery() OR pg_last_wal_replay_lsn() >= $1::text::pg_lsn THEN 0
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 END

-- name: identity
-- Whether a server replays, when it was started, and of which cluster it is.
SELECT pg_is_in_recovery() AS replays, pg_postmaster_start_time() AS started_at,
       (SELECT system_identifier FROM pg_control_system()) AS cluster

-- name: schema_version
-- The newest migration that a server has of a schema; null: none.
SELECT value::int FROM module_info WHERE key = 'schema_version'
