-- The tables whose recording is proven, and beside each the proof: every change that its transaction committed,
-- kept by a trigger with the row as the source knows it. Nothing here knows how MSR records.

CREATE SCHEMA truth;
CREATE SCHEMA proof;

-- With a tenant; a large text that most updates leave alone; rows move to the other tenant.
CREATE TABLE truth.craft (
    id integer PRIMARY KEY,
    tenant_id text NOT NULL,
    name text,
    place jsonb,
    speed numeric(20, 4),
    seen timestamptz,
    note text
);
ALTER TABLE truth.craft ALTER note SET STORAGE EXTERNAL;

-- Shared, of every type that has a converter of its own.
CREATE TABLE truth.beacon (
    id uuid PRIMARY KEY,
    small smallint, large bigint, exact numeric, digits numeric(30, 0), money numeric(12, 2),
    float_4 real, float_8 double precision, yes boolean,
    moment timestamptz, clock timestamp, millis timestamp(3), day date, hour time, span interval,
    raw bytea, doc jsonb, doc_text json, address inet, kind char(3), title varchar(40),
    words text[], numbers integer[], amounts numeric[], refs uuid[]
);

-- A composite key with characters that have to be escaped in an entity id.
CREATE TABLE truth.assignment (
    incident bigint,
    unit text,
    tenant_id text NOT NULL,
    role text,
    since timestamptz,
    PRIMARY KEY (incident, unit)
);

-- Keys are swapped here, while the large value is not touched.
CREATE TABLE truth.berth (
    code text PRIMARY KEY,
    tenant_id text NOT NULL,
    vessel text,
    manifest text,
    plan bytea
);
ALTER TABLE truth.berth ALTER manifest SET STORAGE EXTERNAL;
ALTER TABLE truth.berth ALTER plan SET STORAGE EXTERNAL;

-- COPY goes here.
CREATE TABLE truth.reading (
    id bigint PRIMARY KEY,
    batch integer NOT NULL,
    value numeric(10, 3),
    line text
);

CREATE SEQUENCE proof.number;

CREATE FUNCTION proof.keep() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    keep text := format('INSERT INTO proof.%I (op, entity_id, tenant, image) VALUES ($1, $2, $3, $4)', tg_table_name);
    old_id text;
    new_id text;
BEGIN
    IF tg_op <> 'INSERT' THEN
        old_id := proof.entity_id(to_jsonb(OLD), tg_argv::text[]);
    END IF;
    IF tg_op <> 'DELETE' THEN
        new_id := proof.entity_id(to_jsonb(NEW), tg_argv::text[]);
    END IF;
    -- a change of key is a delete and a create
    IF tg_op = 'DELETE' OR tg_op = 'UPDATE' AND old_id <> new_id THEN
        EXECUTE keep USING 'd', old_id, to_jsonb(OLD) ->> 'tenant_id', OLD;
    END IF;
    IF tg_op = 'INSERT' OR tg_op = 'UPDATE' AND old_id <> new_id THEN
        EXECUTE keep USING 'c', new_id, to_jsonb(NEW) ->> 'tenant_id', NEW;
    ELSIF tg_op = 'UPDATE' THEN
        EXECUTE keep USING 'u', new_id, to_jsonb(NEW) ->> 'tenant_id', NEW;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION proof.entity_id(wanted jsonb, keys text[]) RETURNS text LANGUAGE sql IMMUTABLE AS $$
SELECT CASE WHEN cardinality(keys) = 1 THEN wanted ->> keys[array_lower(keys, 1)]
       ELSE (SELECT string_agg(replace(replace(wanted ->> k, '\', '\\'), ':', '\:'), ':' ORDER BY n)
             FROM unnest(keys) WITH ORDINALITY u (k, n)) END
$$;

-- Unlogged: the capture never sees these. The number gives the order within an entity: who changes a row holds its
-- lock while the trigger runs. The commit time is that of the transaction that wrote the proof's row.
DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN SELECT * FROM (VALUES ('craft', '''id'''), ('beacon', '''id'''), ('assignment', '''incident'', ''unit'''),
                                        ('berth', '''code'''), ('reading', '''id''')) v (name, keys) LOOP
        EXECUTE format('CREATE UNLOGGED TABLE proof.%1$I (
            number bigint PRIMARY KEY DEFAULT nextval(''proof.number''),
            txid bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
            op text NOT NULL, entity_id text NOT NULL, tenant text, image truth.%1$I NOT NULL)', wanted.name);
        EXECUTE format('CREATE TRIGGER keep AFTER INSERT OR UPDATE OR DELETE ON truth.%I
            FOR EACH ROW EXECUTE FUNCTION proof.keep(%s)', wanted.name, wanted.keys);
    END LOOP;
END $$;

CREATE VIEW proof.change AS
SELECT 'truth.' || name AS table_name, number, txid, op, entity_id, tenant, pg_xact_commit_timestamp(xmin) AS committed_at
FROM (SELECT 'craft' AS name, xmin, number, txid, op, entity_id, tenant FROM proof.craft
      UNION ALL SELECT 'beacon', xmin, number, txid, op, entity_id, tenant FROM proof.beacon
      UNION ALL SELECT 'assignment', xmin, number, txid, op, entity_id, tenant FROM proof.assignment
      UNION ALL SELECT 'berth', xmin, number, txid, op, entity_id, tenant FROM proof.berth
      UNION ALL SELECT 'reading', xmin, number, txid, op, entity_id, tenant FROM proof.reading) c;

-- What the history database holds, brought here to be compared with the source's own types and operators.
CREATE UNLOGGED TABLE proof.event (
    shard_id integer,
    position bigint,
    event_timestamp timestamptz,
    source_timestamp timestamptz,
    lsn bigint,
    txid bigint,
    op text,
    table_name text,
    entity_id text,
    tenant text,
    state json,
    unavailable text[],
    PRIMARY KEY (shard_id, position)
);

-- Each change with the event that recorded it, found by transaction, entity and turn within the transaction.
CREATE UNLOGGED TABLE proof.recorded (
    number bigint,
    table_name text,
    entity_id text,
    op text,
    tenant text,
    committed_at timestamptz,
    shard_id integer,
    position bigint,
    event_op text,
    event_tenant text,
    source_time timestamptz,
    effective timestamptz,
    effective_until timestamptz,
    state json,
    unavailable text[]
);

CREATE UNLOGGED TABLE proof.replayed (
    at timestamptz,
    viewer text,
    op text,
    table_name text,
    entity_id text,
    event_timestamp timestamptz,
    state json
);

-- A value as the converters write it, back to text that the type's own input function reads.
CREATE FUNCTION proof.element_texts(value json) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
SELECT CASE json_typeof(value) WHEN 'array' THEN ARRAY(SELECT json_array_elements_text(value)) END
$$;
