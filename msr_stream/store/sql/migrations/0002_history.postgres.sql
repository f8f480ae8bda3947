-- The history itself on plain PostgreSQL 15 to 18: partitioned by time, partitions made by `ensure_partition`.

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
) PARTITION BY RANGE (event_timestamp);
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
) PARTITION BY RANGE (keyframe_timestamp);
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

CREATE TABLE history_partition (
    parent text NOT NULL,
    name text PRIMARY KEY,
    covers tstzrange NOT NULL,
    EXCLUDE USING gist (covers WITH &&) WHERE (parent = 'cdc_event'),
    EXCLUDE USING gist (covers WITH &&) WHERE (parent = 'keyframe')
);
COMMENT ON TABLE history_partition IS 'The partitions of cdc_event and keyframe';
COMMENT ON COLUMN history_partition.parent IS 'cdc_event or keyframe';
COMMENT ON COLUMN history_partition.name IS 'The partition''s table';
COMMENT ON COLUMN history_partition.covers IS 'The times it holds';

CREATE FUNCTION ensure_partition(wanted_parent text, at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    -- Days where history is dense; a whole year where a few old events are all there is.
    day tstzrange := tstzrange(
        date_trunc('day', at, 'UTC'), date_trunc('day', at, 'UTC') + interval '24 hours');
    year tstzrange := tstzrange(
        date_trunc('year', at, 'UTC'), date_trunc('year', at AT TIME ZONE 'UTC' + interval '1 year') AT TIME ZONE 'UTC');
    chosen tstzrange := day;
    partition_name text;
BEGIN
    -- One at a time: two workers may need the same day.
    PERFORM pg_advisory_xact_lock(hashtext('msr.partition'), hashtext(current_schema() || wanted_parent));
    IF EXISTS (SELECT FROM history_partition p WHERE p.parent = wanted_parent AND p.covers @> at) THEN
        RETURN;
    END IF;
    IF upper(year) < now() - interval '1 year'
        AND NOT EXISTS (SELECT FROM history_partition p WHERE p.parent = wanted_parent AND p.covers && year) THEN
        chosen := year;
    END IF;
    partition_name := wanted_parent || to_char(lower(chosen) AT TIME ZONE 'UTC',
        CASE WHEN chosen = day THEN '_YYYYMMDD' ELSE '_YYYY' END);
    -- Attaching, unlike CREATE … PARTITION OF, waits for no reader and makes none wait.
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition_name, wanted_parent);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        wanted_parent, partition_name, lower(chosen), upper(chosen));
    INSERT INTO history_partition VALUES (wanted_parent, partition_name, chosen);
END $$;
COMMENT ON FUNCTION ensure_partition IS 'Makes the partition that holds an instant, if there is none';
