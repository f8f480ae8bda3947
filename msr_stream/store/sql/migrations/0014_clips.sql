-- Clips: pieces of history that were exported and put back, each a world of its own. No answer about what is recorded
-- reads them, and neither range nor retention nor the history's epoch concerns them.

CREATE TABLE clip (
    clip_id uuid PRIMARY KEY,
    name text NOT NULL,
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    start_timestamp timestamptz NOT NULL,
    end_timestamp timestamptz NOT NULL CHECK (end_timestamp >= start_timestamp),
    exported_at timestamptz NOT NULL,
    incomplete text[] NOT NULL,
    filters text NOT NULL,
    state_rows bigint NOT NULL,
    event_rows bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL
);
CREATE INDEX clip_tenant ON clip (tenant_id, created_at);
COMMENT ON TABLE clip IS 'Clips that were imported: kept until they are deleted';
COMMENT ON COLUMN clip.clip_id IS 'The clip; never used again for another';
COMMENT ON COLUMN clip.name IS 'For people to read';
COMMENT ON COLUMN clip.tenant_id IS 'Whose it is, all of it: nobody else sees any of its rows';
COMMENT ON COLUMN clip.start_timestamp IS 'Its first instant: it holds the state then';
COMMENT ON COLUMN clip.end_timestamp IS 'Its last instant';
COMMENT ON COLUMN clip.exported_at IS 'When it was exported';
COMMENT ON COLUMN clip.incomplete IS 'Tables of which it may not have all, as its export said';
COMMENT ON COLUMN clip.filters IS 'What its export left out: parameters and their values, as JSON';
COMMENT ON COLUMN clip.state_rows IS 'How many entities lived at its start';
COMMENT ON COLUMN clip.event_rows IS 'How many events it holds';
COMMENT ON COLUMN clip.created_at IS 'When it was imported';
COMMENT ON COLUMN clip.created_by IS 'Who imported it';

CREATE TABLE clip_event (
    clip_id uuid NOT NULL REFERENCES clip ON DELETE CASCADE,
    position bigint NOT NULL,
    event_timestamp timestamptz NOT NULL,
    source_timestamp timestamptz,
    op text NOT NULL,
    table_name text NOT NULL,
    entity_id text NOT NULL,
    tenant_id text NOT NULL,
    entity_state text,
    unavailable_fields text[],
    PRIMARY KEY (clip_id, event_timestamp, position)
);
CREATE INDEX clip_event_entity ON clip_event (clip_id, table_name, entity_id, position);
COMMENT ON TABLE clip_event IS 'The rows of clips: the state at the start, and the events after it';
COMMENT ON COLUMN clip_event.clip_id IS 'The clip';
COMMENT ON COLUMN clip_event.position IS 'Number in the clip, from 1: the order of its events';
COMMENT ON COLUMN clip_event.event_timestamp IS 'Effective time, as it was exported; of a row of the state, not after the clip''s start';
COMMENT ON COLUMN clip_event.source_timestamp IS 'Commit time at the source, where it differs';
COMMENT ON COLUMN clip_event.op IS 'c create, r snapshot read, u update, d delete';
COMMENT ON COLUMN clip_event.table_name IS 'schema.table';
COMMENT ON COLUMN clip_event.entity_id IS 'The primary key as text';
COMMENT ON COLUMN clip_event.tenant_id IS 'The clip''s';
COMMENT ON COLUMN clip_event.entity_state IS 'The row as the JSON text that was recorded';
COMMENT ON COLUMN clip_event.unavailable_fields IS 'Columns whose value nobody sent';

CREATE VIEW v_clip WITH (security_barrier) AS
SELECT * FROM clip
WHERE coalesce(current_setting('msr.tenant', true), '') <> '' AND tenant_id = current_setting('msr.tenant', true);
COMMENT ON VIEW v_clip IS 'The clips that the tenant of the transaction may see';

CREATE VIEW v_clip_event WITH (security_barrier) AS
SELECT * FROM clip_event
WHERE coalesce(current_setting('msr.tenant', true), '') <> '' AND tenant_id = current_setting('msr.tenant', true);
COMMENT ON VIEW v_clip_event IS 'The rows of clips that the tenant of the transaction may see';

CREATE OR REPLACE FUNCTION let_read(reader text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    -- Every view of one tenant's rows, and what holds no tenant's data.
    readable constant text[] := ARRAY['shard', 'source', 'source_table', 'keyframe_head', 'coverage', 'configuration',
        'history_epoch'] || ARRAY(SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace
            AND relkind = 'v' AND starts_with(relname, 'v_') AND 'security_barrier=true' = ANY (reloptions));
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
