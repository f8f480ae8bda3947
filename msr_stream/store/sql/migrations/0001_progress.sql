-- What recording knows of its own progress, and what it keeps beside the events.

CREATE TABLE source (
    source text PRIMARY KEY,
    marker_at timestamptz,
    heard_at timestamptz NOT NULL DEFAULT now(),
    slot_state text,
    slot_checked_at timestamptz
);
COMMENT ON TABLE source IS 'One captured database: one Debezium topic.prefix';
COMMENT ON COLUMN source.source IS 'The topic.prefix';
COMMENT ON COLUMN source.marker_at IS 'Time of the newest marker read, by the source''s clock';
COMMENT ON COLUMN source.heard_at IS 'When that marker was read, by the history database''s clock';
COMMENT ON COLUMN source.slot_state IS 'The replication slot''s wal_status when last looked at, or missing';
COMMENT ON COLUMN source.slot_checked_at IS 'When the slot was last looked at';

CREATE TABLE shard (
    shard_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    partition integer NOT NULL,
    source text NOT NULL,
    version bigint NOT NULL DEFAULT 0,
    flushed_offset bigint NOT NULL DEFAULT -1,
    record_offset bigint,
    record_timestamp bigint,
    record_hash bytea,
    last_position bigint NOT NULL DEFAULT 0,
    last_effective timestamptz,
    newest_source_time timestamptz,
    settled_until timestamptz,
    last_commit_lsn bigint,
    last_lsn bigint,
    unsequenced_lsn bigint,
    live boolean NOT NULL DEFAULT true,
    stopped text,
    events bigint NOT NULL DEFAULT 0,
    copies bigint NOT NULL DEFAULT 0,
    dead_letters bigint NOT NULL DEFAULT 0,
    live_entities bigint NOT NULL DEFAULT 0,
    events_since_keyframe bigint NOT NULL DEFAULT 0,
    registered_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (topic, partition)
) WITH (fillfactor = 50);
COMMENT ON TABLE shard IS 'One partition of one CDC topic: the unit of order, progress and parallelism';
COMMENT ON COLUMN shard.shard_id IS 'Short name of the shard, used in every event';
COMMENT ON COLUMN shard.topic IS 'The CDC topic';
COMMENT ON COLUMN shard.partition IS 'The topic''s partition';
COMMENT ON COLUMN shard.source IS 'The source it belongs to';
COMMENT ON COLUMN shard.version IS 'Raised by every write: a writer that read another version has derived from an old world';
COMMENT ON COLUMN shard.flushed_offset IS 'Everything up to this offset is in the database';
COMMENT ON COLUMN shard.record_offset IS 'Offset of the last flushed record, by which a topic made anew is noticed';
COMMENT ON COLUMN shard.record_timestamp IS 'That record''s broker timestamp, ms';
COMMENT ON COLUMN shard.record_hash IS 'That record''s key and value, hashed (BLAKE2b, 16 bytes)';
COMMENT ON COLUMN shard.last_position IS 'Position of the newest event';
COMMENT ON COLUMN shard.last_effective IS 'Effective time of the newest event: the next one''s is not before it';
COMMENT ON COLUMN shard.newest_source_time IS 'Newest source time recorded: what tells a restored source from a copy';
COMMENT ON COLUMN shard.settled_until IS 'No event at or before this can come any more; null: not settled yet';
COMMENT ON COLUMN shard.last_commit_lsn IS 'First half of the newest capture sequence';
COMMENT ON COLUMN shard.last_lsn IS 'Second half of the newest capture sequence';
COMMENT ON COLUMN shard.unsequenced_lsn IS 'Highest log sequence number recorded of records whose sequence was not whole';
COMMENT ON COLUMN shard.live IS 'Whether it holds back the settled instant of all';
COMMENT ON COLUMN shard.stopped IS 'Why the topic is not recorded any further, if it is not';
COMMENT ON COLUMN shard.events IS 'Events recorded';
COMMENT ON COLUMN shard.copies IS 'Records left out because the capture had sent them before';
COMMENT ON COLUMN shard.dead_letters IS 'Records that could not be recorded';
COMMENT ON COLUMN shard.live_entities IS 'Entities that live now; an estimate, corrected at each keyframe';
COMMENT ON COLUMN shard.events_since_keyframe IS 'Events since the newest keyframe';
COMMENT ON COLUMN shard.registered_at IS 'When the shard was first seen';

CREATE FUNCTION settled_instant() RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN count(*) FILTER (WHERE alive) = 0 THEN max(settled_until)
                WHEN bool_or(settled_until IS NULL) FILTER (WHERE alive) THEN NULL
                ELSE min(settled_until) FILTER (WHERE alive) END
    FROM (SELECT settled_until, live AND stopped IS NULL AS alive FROM shard) s
$$;
COMMENT ON FUNCTION settled_instant IS 'S: the lowest settled instant of the live shards, the highest of all if none lives; null: not settled yet';

CREATE TABLE source_table (
    table_name text PRIMARY KEY,
    source text NOT NULL,
    topic text NOT NULL,
    first_recorded_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE source_table IS 'Every table recorded: a table name belongs to one source';
COMMENT ON COLUMN source_table.table_name IS 'schema.table, after the source''s prefix if it has one';
COMMENT ON COLUMN source_table.source IS 'The source it belongs to';
COMMENT ON COLUMN source_table.topic IS 'The topic it arrives in';
COMMENT ON COLUMN source_table.first_recorded_at IS 'When its first record came';

CREATE TABLE activity (
    shard_id integer NOT NULL,
    bucket timestamptz NOT NULL,
    table_name text NOT NULL,
    tenant_id text,
    op text NOT NULL,
    changes bigint NOT NULL,
    UNIQUE NULLS NOT DISTINCT (shard_id, bucket, table_name, tenant_id, op)
) WITH (fillfactor = 70);
COMMENT ON TABLE activity IS 'Number of events a minute, by table, tenant and operation; per shard, so that flushes never wait for one another';
COMMENT ON COLUMN activity.shard_id IS 'The shard that counted';
COMMENT ON COLUMN activity.bucket IS 'Beginning of the minute, effective time';
COMMENT ON COLUMN activity.table_name IS 'The table';
COMMENT ON COLUMN activity.tenant_id IS 'The tenant; null: shared';
COMMENT ON COLUMN activity.op IS 'c, r, u or d';
COMMENT ON COLUMN activity.changes IS 'How many';

CREATE TABLE dead_letter (
    dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shard_id integer NOT NULL REFERENCES shard,
    record_offset bigint NOT NULL,
    record_timestamp bigint NOT NULL,
    code text NOT NULL,
    reason text NOT NULL,
    record_key bytea,
    record_value bytea,
    record_headers jsonb NOT NULL DEFAULT '[]',
    table_name text,
    entity_id text,
    source_lsn bigint,
    source_txid bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz
);
CREATE INDEX dead_letter_identity ON dead_letter (shard_id, source_lsn);
CREATE INDEX dead_letter_unpublished ON dead_letter (shard_id) WHERE published_at IS NULL;
COMMENT ON TABLE dead_letter IS 'Records that could not be recorded, whole, with the reason';
COMMENT ON COLUMN dead_letter.dead_letter_id IS 'Its number';
COMMENT ON COLUMN dead_letter.shard_id IS 'The shard it came from';
COMMENT ON COLUMN dead_letter.record_offset IS 'Its offset there';
COMMENT ON COLUMN dead_letter.record_timestamp IS 'Its broker timestamp, ms';
COMMENT ON COLUMN dead_letter.code IS 'The reason as one word';
COMMENT ON COLUMN dead_letter.reason IS 'The reason as a sentence';
COMMENT ON COLUMN dead_letter.record_key IS 'The key''s bytes';
COMMENT ON COLUMN dead_letter.record_value IS 'The value''s bytes';
COMMENT ON COLUMN dead_letter.record_headers IS 'The headers: pairs of name and base64';
COMMENT ON COLUMN dead_letter.table_name IS 'The table, if that much could be read';
COMMENT ON COLUMN dead_letter.entity_id IS 'The entity, if that much could be read';
COMMENT ON COLUMN dead_letter.source_lsn IS 'Its log sequence number, if that much could be read';
COMMENT ON COLUMN dead_letter.source_txid IS 'Its transaction, if that much could be read';
COMMENT ON COLUMN dead_letter.created_at IS 'When it was put here';
COMMENT ON COLUMN dead_letter.published_at IS 'When its copy was sent to the dead letter topic';

CREATE TABLE coverage (
    coverage_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shard_id integer NOT NULL REFERENCES shard,
    covered_from timestamptz,
    covered_until timestamptz,
    reason text
);
CREATE INDEX coverage_shard ON coverage (shard_id);
COMMENT ON TABLE coverage IS 'Intervals in which a shard was recorded completely, and why each ended';
COMMENT ON COLUMN coverage.coverage_id IS 'Its number';
COMMENT ON COLUMN coverage.shard_id IS 'The shard';
COMMENT ON COLUMN coverage.covered_from IS 'Beginning; null: with the shard''s first record';
COMMENT ON COLUMN coverage.covered_until IS 'End; null: it goes on';
COMMENT ON COLUMN coverage.reason IS 'Why it ended';

CREATE TABLE configuration (
    key text PRIMARY KEY,
    value jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by text
);
COMMENT ON TABLE configuration IS 'Runtime settings; a change needs no restart';
COMMENT ON COLUMN configuration.key IS 'The setting''s name';
COMMENT ON COLUMN configuration.value IS 'Its value';
COMMENT ON COLUMN configuration.updated_at IS 'When it was last changed';
COMMENT ON COLUMN configuration.updated_by IS 'Who changed it';
INSERT INTO configuration (key, value) VALUES
    ('max_playback_range', '7'),
    ('earliest_valid_timestamp', '"1900-01-01T00:00:00Z"'),
    ('query_work_mem_mb', '256');

CREATE TABLE history_epoch (
    epoch bigint NOT NULL,
    retained_from timestamptz,
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one)
);
COMMENT ON TABLE history_epoch IS 'Raised before anything is taken out of the history: readers of the old epoch are waited for';
COMMENT ON COLUMN history_epoch.epoch IS 'The current epoch; readers hold a shared advisory lock on it';
COMMENT ON COLUMN history_epoch.retained_from IS 'What retention has left: no answer begins before it';
COMMENT ON COLUMN history_epoch.only_one IS 'Keeps the table at one row';
INSERT INTO history_epoch (epoch) VALUES (1);
