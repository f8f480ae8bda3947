-- What an operator's check asks of the history database; nothing is changed.

-- name: server
-- The server, the clock, and what this role may do in the schema.
SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int / 10000 AS major,
       clock_timestamp() AS clock, pg_is_in_recovery() AS standby,
       (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescaledb,
       to_regclass(format('%I.module_info', $1::text)) IS NOT NULL AS has_versions,
       coalesce(has_schema_privilege(n.oid, 'CREATE'), has_database_privilege(current_database(), 'CREATE'))
           AS may_create,
       (SELECT count(*) FROM pg_class c
        WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p') AND NOT pg_has_role(c.relowner, 'USAGE'))
           AS tables_of_others
FROM (SELECT to_regnamespace(quote_ident($1::text)) AS oid) n

-- name: schema_version
-- The number of the newest migration applied.
SELECT value::int FROM module_info WHERE key = 'schema_version'
