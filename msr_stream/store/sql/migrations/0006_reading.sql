-- What answers read: one tenant's rows and shared ones, whatever a query forgets (design, invariant 16).
-- `msr.tenant` is the transaction's; without it, or with an empty one, there are no rows at all.
-- A condition comes to the indexes and partitions below such a view only if its operators are leakproof, as = < <= are here.

CREATE VIEW v_cdc_event WITH (security_barrier) AS
SELECT * FROM cdc_event
WHERE coalesce(current_setting('msr.tenant', true), '') <> ''
    AND (tenant_id IS NULL OR tenant_id = current_setting('msr.tenant', true));
COMMENT ON VIEW v_cdc_event IS 'The events that the tenant of the transaction may see';

CREATE VIEW v_keyframe WITH (security_barrier) AS
SELECT * FROM keyframe
WHERE coalesce(current_setting('msr.tenant', true), '') <> ''
    AND (tenant_id IS NULL OR tenant_id = current_setting('msr.tenant', true));
COMMENT ON VIEW v_keyframe IS 'The rows of keyframes that the tenant of the transaction may see';

CREATE VIEW v_activity WITH (security_barrier) AS
SELECT * FROM activity
WHERE coalesce(current_setting('msr.tenant', true), '') <> ''
    AND (tenant_id IS NULL OR tenant_id = current_setting('msr.tenant', true));
COMMENT ON VIEW v_activity IS 'The activity that the tenant of the transaction may see';

CREATE FUNCTION let_read(reader text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    -- The views, and what holds no tenant's data.
    readable constant text[] := ARRAY['v_cdc_event', 'v_keyframe', 'v_activity', 'shard', 'source', 'source_table',
        'keyframe_head', 'coverage', 'configuration', 'history_epoch'];
    name text;
    too_much text;
BEGIN
    IF NOT has_schema_privilege(reader, current_schema(), 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), reader);
    END IF;
    FOREACH name IN ARRAY readable LOOP
        IF NOT has_table_privilege(reader, name, 'SELECT') THEN
            EXECUTE format('GRANT SELECT ON %I TO %I', name, reader);
        END IF;
    END LOOP;
    IF NOT has_function_privilege(reader, 'settled_instant()', 'EXECUTE') THEN
        EXECUTE format('GRANT EXECUTE ON FUNCTION settled_instant() TO %I', reader);
    END IF;
    SELECT string_agg(format('%s', x.relname), ', ') INTO too_much FROM (
        SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
            AND (has_table_privilege(reader, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
                OR NOT c.relname = ANY (readable) AND has_any_column_privilege(reader, c.oid, 'SELECT'))
        ORDER BY c.relname LIMIT 5) x;
    IF too_much IS NOT NULL THEN
        RAISE EXCEPTION 'the reading role % has rights it must not have, on % (schema %): let it be no superuser, owner or '
            'member of another role, and run REVOKE ALL ON ALL TABLES IN SCHEMA % FROM PUBLIC, %',
            quote_ident(reader), too_much, current_schema(), quote_ident(current_schema()), quote_ident(reader);
    END IF;
END $$;
COMMENT ON FUNCTION let_read IS 'Gives the reading role its rights where they are missing; fails if it has more';
