-- The history itself on TimescaleDB 2.20 to 2.23: hypertables with columnstore; chunks come and go by themselves.

-- The extension's functions are wherever it was created: within this transaction they are found.
SELECT set_config('search_path', format('%I, %I', current_schema(), extnamespace::regnamespace), true)
FROM pg_extension WHERE extname = 'timescaledb';

CREATE TABLE cdc_event (
    shard_id integer NOT NULL,
    position bigint NOT NULL,
    event_timestamp timestamptz NOT NULL,
    source_timestamp timestamptz,
    source_commit_lsn bigint,
    source_lsn bigint,
    source_txid bigint,
    op text NOT NULL,
    table_name text NOT NULL,
    entity_id text NOT NULL,
    tenant_id text,
    entity_state text,
    unavailable_fields text[]
);
CREATE UNIQUE INDEX cdc_event_log ON cdc_event (shard_id, event_timestamp, position);
CREATE INDEX cdc_event_entity ON cdc_event (shard_id, table_name, entity_id, position);
COMMENT ON TABLE cdc_event IS 'Every change recorded, in its shard''s order';
COMMENT ON COLUMN cdc_event.shard_id IS 'The shard';
COMMENT ON COLUMN cdc_event.position IS 'Number in the shard''s log, from 1';
COMMENT ON COLUMN cdc_event.event_timestamp IS 'Effective time: never before its predecessor''s, never at or before what was settled';
COMMENT ON COLUMN cdc_event.source_timestamp IS 'Commit time at the source, where it differs';
COMMENT ON COLUMN cdc_event.source_commit_lsn IS 'First half of the capture''s sequence';
COMMENT ON COLUMN cdc_event.source_lsn IS 'Log sequence number of the change at the source';
COMMENT ON COLUMN cdc_event.source_txid IS 'Its transaction at the source';
COMMENT ON COLUMN cdc_event.op IS 'c create, r snapshot read, u update, d delete';
COMMENT ON COLUMN cdc_event.table_name IS 'schema.table';
COMMENT ON COLUMN cdc_event.entity_id IS 'The primary key as text';
COMMENT ON COLUMN cdc_event.tenant_id IS 'Whose it is; null: shared; empty: a null tenant, visible to nobody';
COMMENT ON COLUMN cdc_event.entity_state IS 'The row as the JSON text that arrived; of a delete, the last one known';
COMMENT ON COLUMN cdc_event.unavailable_fields IS 'Columns whose value nobody sent';

CREATE TABLE keyframe (
    keyframe_id bigint NOT NULL,
    keyframe_timestamp timestamptz NOT NULL,
    shard_id integer NOT NULL,
    position bigint NOT NULL,
    event_timestamp timestamptz NOT NULL,
    source_timestamp timestamptz,
    op text NOT NULL,
    table_name text NOT NULL,
    entity_id text NOT NULL,
    tenant_id text,
    entity_state text,
    unavailable_fields text[]
);
CREATE INDEX keyframe_entity ON keyframe (keyframe_id, table_name, entity_id);
COMMENT ON TABLE keyframe IS 'The full state of one shard at a position: one row per live entity';
COMMENT ON COLUMN keyframe.keyframe_id IS 'The keyframe';
COMMENT ON COLUMN keyframe.keyframe_timestamp IS 'The instant it is valid from';
COMMENT ON COLUMN keyframe.shard_id IS 'The shard';
COMMENT ON COLUMN keyframe.position IS 'Position of the entity''s last event';
COMMENT ON COLUMN keyframe.event_timestamp IS 'Effective time of that event';
COMMENT ON COLUMN keyframe.source_timestamp IS 'Its commit time at the source, where it differs';
COMMENT ON COLUMN keyframe.op IS 'Its operation';
COMMENT ON COLUMN keyframe.table_name IS 'schema.table';
COMMENT ON COLUMN keyframe.entity_id IS 'The primary key as text';
COMMENT ON COLUMN keyframe.tenant_id IS 'Whose it is; null: shared; empty: visible to nobody';
COMMENT ON COLUMN keyframe.entity_state IS 'The row as JSON text';
COMMENT ON COLUMN keyframe.unavailable_fields IS 'Columns whose value nobody sent';

CREATE TABLE keyframe_head (
    keyframe_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shard_id integer NOT NULL REFERENCES shard,
    position bigint NOT NULL,
    keyframe_timestamp timestamptz NOT NULL,
    keyframe_rows bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX keyframe_head_shard ON keyframe_head (shard_id, keyframe_timestamp);
COMMENT ON TABLE keyframe_head IS 'One row per complete keyframe: it exists for readers once this row is committed';
COMMENT ON COLUMN keyframe_head.keyframe_id IS 'The keyframe';
COMMENT ON COLUMN keyframe_head.shard_id IS 'The shard';
COMMENT ON COLUMN keyframe_head.position IS 'It holds every event up to this position';
COMMENT ON COLUMN keyframe_head.keyframe_timestamp IS 'The instant it is valid from';
COMMENT ON COLUMN keyframe_head.keyframe_rows IS 'How many entities live in it';
COMMENT ON COLUMN keyframe_head.created_at IS 'When it was built';

-- A revocation, even of nothing, makes a table's rights explicit, and these are what its chunks get: no default privileges.
REVOKE ALL ON cdc_event, keyframe FROM PUBLIC;

SELECT create_hypertable('cdc_event', by_range('event_timestamp', interval '1 day'), create_default_indexes => false);
SELECT create_hypertable('keyframe', by_range('keyframe_timestamp', interval '1 day'), create_default_indexes => false);

-- One shard's events in their order, as they are read; the indexed columns get bloom filters, by which an entity is found.
ALTER TABLE cdc_event SET (
    timescaledb.enable_columnstore, timescaledb.segmentby = 'shard_id', timescaledb.orderby = 'position');
-- A keyframe is read whole, in the order of its entities.
ALTER TABLE keyframe SET (
    timescaledb.enable_columnstore, timescaledb.segmentby = 'shard_id, keyframe_id',
    timescaledb.orderby = 'table_name, entity_id');

CREATE FUNCTION ensure_partition(wanted_parent text, at timestamptz) RETURNS void LANGUAGE sql AS '';
COMMENT ON FUNCTION ensure_partition IS 'Does nothing: a chunk is made by the first row that needs it';

SELECT set_config('search_path', quote_ident(current_schema()), true);
