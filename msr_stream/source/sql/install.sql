-- What `source prepare` puts into a source database, in a schema of its own: three functions, a table of one row per
-- publication, and two event triggers that do for tables created later what `prepare` does for those that exist.

-- name: schema
-- A schema of its own for what follows; it is never captured
CREATE SCHEMA IF NOT EXISTS msr_capture

-- name: table
-- What to capture: one row per publication
CREATE TABLE IF NOT EXISTS msr_capture.capture (
    publication name PRIMARY KEY,
    capture_role name,  -- gets USAGE and SELECT; null: nobody
    schemas name[]      -- null: every schema but the system's
)

-- name: read_schema
-- Whoever runs `source check` may see what is covered; it is no secret
GRANT USAGE ON SCHEMA msr_capture TO PUBLIC

-- name: read_table
-- Whoever runs `source check` may see what is covered; it is no secret
GRANT SELECT ON msr_capture.capture TO PUBLIC

-- name: drop_gaps
-- The function below may have had another shape
DROP FUNCTION IF EXISTS msr_capture.gaps(name, name, name[])

-- name: gaps_function
-- What is missing before every table is captured, and the statements that mend it
CREATE FUNCTION msr_capture.gaps(publication name, capture_role name, schemas name[])
RETURNS TABLE (kind text, explanation text, statement text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $gaps$
{gaps}
$gaps$

-- name: close_gaps
-- Mends what is missing; whatever goes wrong becomes a warning, never an error of the application's
CREATE OR REPLACE FUNCTION msr_capture.close_gaps() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '500ms'  -- below deadlock_timeout: in a deadlock it is we who give way
AS $$
DECLARE
    todo text[];
    mend text;
BEGIN
    -- before the publication exists only the identities matter: it will be made while this transaction is open
    SELECT array_agg(g.statement ORDER BY g.number) INTO todo
    FROM msr_capture.capture c,
         msr_capture.gaps(c.publication, c.capture_role, c.schemas)
             WITH ORDINALITY AS g (kind, explanation, statement, number)
    WHERE g.kind = 'identity' OR EXISTS (SELECT FROM pg_publication p WHERE p.pubname = c.publication);
    -- ALTER TABLE fires the event triggers again: they look at this and leave
    PERFORM set_config('msr_capture.busy', 'on', true);
    FOREACH mend IN ARRAY coalesce(todo, '{}') LOOP
        BEGIN
            EXECUTE mend;
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'MSR capture: "%" failed: %', mend, SQLERRM
                USING HINT = 'Run "python -m msr_stream source prepare" again.';
        END;
    END LOOP;
    PERFORM set_config('msr_capture.busy', '', true);
END
$$

-- name: on_ddl
-- Called after each command that creates or alters a table or a schema; temporary tables do not count
CREATE OR REPLACE FUNCTION msr_capture.on_ddl() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF current_setting('msr_capture.busy', true) = 'on' THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() c WHERE c.schema_name IS DISTINCT FROM 'pg_temp') THEN
        PERFORM msr_capture.close_gaps();
    END IF;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'MSR capture: %', SQLERRM USING HINT = 'Run "python -m msr_stream source prepare" again.';
END
$$

-- name: on_drop
-- Called when something was dropped: with an index a table may have lost what identifies its rows
CREATE OR REPLACE FUNCTION msr_capture.on_drop() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- after ALTER TABLE the other trigger comes
    IF current_setting('msr_capture.busy', true) = 'on' OR tg_tag = 'ALTER TABLE' THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects() d
               WHERE d.object_type IN ('index', 'table constraint') AND NOT d.is_temporary) THEN
        PERFORM msr_capture.close_gaps();
    END IF;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'MSR capture: %', SQLERRM USING HINT = 'Run "python -m msr_stream source prepare" again.';
END
$$

-- name: revoke
-- Nobody else may call them
REVOKE ALL ON FUNCTION msr_capture.gaps(name, name, name[]), msr_capture.close_gaps(), msr_capture.on_ddl(),
    msr_capture.on_drop() FROM PUBLIC

-- name: drop_trigger_ddl
-- The trigger is made anew
DROP EVENT TRIGGER IF EXISTS msr_capture_ddl

-- name: drop_trigger_drop
-- The trigger is made anew
DROP EVENT TRIGGER IF EXISTS msr_capture_drop

-- name: trigger_ddl
-- Tables and schemas created or altered later are covered (superuser only)
CREATE EVENT TRIGGER msr_capture_ddl ON ddl_command_end
    WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE', 'CREATE SCHEMA', 'CREATE EXTENSION',
                 'ALTER EXTENSION')
    EXECUTE FUNCTION msr_capture.on_ddl()

-- name: trigger_drop
-- Tables that lose their key later are covered (superuser only)
CREATE EVENT TRIGGER msr_capture_drop ON sql_drop EXECUTE FUNCTION msr_capture.on_drop()

-- name: enable_ddl
-- Also in sessions that replay another server's changes
ALTER EVENT TRIGGER msr_capture_ddl ENABLE ALWAYS

-- name: enable_drop
-- Also in sessions that replay another server's changes
ALTER EVENT TRIGGER msr_capture_drop ENABLE ALWAYS

-- name: stamp
-- What the next run compares, to know whether all of this is up to date
COMMENT ON SCHEMA msr_capture IS '{stamp}'
