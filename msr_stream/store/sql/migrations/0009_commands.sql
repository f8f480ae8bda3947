-- Commands over a whole table, what the capture tells of snapshots, and from when on a table is covered.

CREATE TABLE table_command (
    command_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('truncate', 'snapshot')),
    table_name text NOT NULL,
    topic text NOT NULL,
    shard_id integer REFERENCES shard,
    source_timestamp timestamptz NOT NULL,
    source_commit_lsn bigint,
    source_lsn bigint,
    source_txid bigint,
    command_timestamp timestamptz NOT NULL,
    held_until timestamptz,
    entities bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX table_command_identity ON table_command (shard_id, source_lsn);
COMMENT ON TABLE table_command IS 'Commands over a whole table, each stored once; they stay, so that a copy is known';
COMMENT ON COLUMN table_command.command_id IS 'Its number';
COMMENT ON COLUMN table_command.kind IS 'truncate; or snapshot, a complete one that shows which entities are gone';
COMMENT ON COLUMN table_command.table_name IS 'The table';
COMMENT ON COLUMN table_command.topic IS 'The topic that its shards are of';
COMMENT ON COLUMN table_command.shard_id IS 'The shard whose log it came in; null: none did';
COMMENT ON COLUMN table_command.source_timestamp IS 'Commit time of a truncate; of a snapshot the time of its reading';
COMMENT ON COLUMN table_command.source_commit_lsn IS 'First half of its sequence';
COMMENT ON COLUMN table_command.source_lsn IS 'Its log sequence number';
COMMENT ON COLUMN table_command.source_txid IS 'Its transaction';
COMMENT ON COLUMN table_command.command_timestamp IS 'The effective time its deletes get where nothing is later already';
COMMENT ON COLUMN table_command.held_until IS 'The settled instant does not pass this while a live shard has not applied it';
COMMENT ON COLUMN table_command.entities IS 'How many entities it has ended';
COMMENT ON COLUMN table_command.created_at IS 'When it was stored';

CREATE TABLE table_command_due (
    command_id bigint NOT NULL REFERENCES table_command,
    shard_id integer NOT NULL REFERENCES shard,
    PRIMARY KEY (shard_id, command_id)
);
COMMENT ON TABLE table_command_due IS 'Which shards have still to apply which commands';
COMMENT ON COLUMN table_command_due.command_id IS 'The command';
COMMENT ON COLUMN table_command_due.shard_id IS 'The shard';

ALTER TABLE shard ADD COLUMN held_until timestamptz;
ALTER TABLE shard ADD COLUMN epoch_position bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN shard.epoch_position IS 'First position of the newest capture epoch: log sequence numbers before it say nothing';
COMMENT ON COLUMN shard.held_until IS 'The settled instant does not pass this: the shard has a command still to apply. Null: none';

CREATE OR REPLACE FUNCTION settled_instant() RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN count(*) FILTER (WHERE alive) = 0 THEN max(settled_until)
                WHEN bool_or(settled_until IS NULL) FILTER (WHERE alive) THEN NULL
                ELSE min(least(settled_until, held_until)) FILTER (WHERE alive) END
    FROM (SELECT settled_until, held_until, live AND stopped IS NULL AND retired_at IS NULL AS alive FROM shard) s
$$;

CREATE TABLE snapshot_notice (
    notice_number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    notice_id text NOT NULL UNIQUE,
    source text NOT NULL,
    kind text NOT NULL,
    table_name text,
    rows_scanned bigint,
    told_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    outcome text
);
CREATE INDEX snapshot_notice_open ON snapshot_notice (source) WHERE kind = 'COMPLETED' AND outcome IS NULL;
COMMENT ON TABLE snapshot_notice IS 'What the capture has told of its snapshots, each notification once';
COMMENT ON COLUMN snapshot_notice.notice_number IS 'In which order it came';
COMMENT ON COLUMN snapshot_notice.notice_id IS 'The id that the capture gave it';
COMMENT ON COLUMN snapshot_notice.source IS 'The source';
COMMENT ON COLUMN snapshot_notice.kind IS 'STARTED, TABLE_SCAN_COMPLETED, COMPLETED, ABORTED or SKIPPED';
COMMENT ON COLUMN snapshot_notice.table_name IS 'The table that was scanned whole';
COMMENT ON COLUMN snapshot_notice.rows_scanned IS 'How many rows it had; null: they cannot be trusted to be all';
COMMENT ON COLUMN snapshot_notice.told_at IS 'When, by the clock of the capture';
COMMENT ON COLUMN snapshot_notice.created_at IS 'When it was read';
COMMENT ON COLUMN snapshot_notice.outcome IS 'Of a completed snapshot: what was made of it; null: not yet';

ALTER TABLE source_table ADD COLUMN covered_from timestamptz;
COMMENT ON COLUMN source_table.covered_from IS 'Source time of its first record: before, it was not captured yet';
UPDATE source_table SET covered_from = first_recorded_at;

ALTER TABLE source ADD COLUMN slot_lost boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN source.slot_lost IS 'Whether its replication slot was lost when last looked at: coverage has ended then';
COMMENT ON COLUMN coverage.covered_from IS
    'Beginning; null: with the shard''s first record; infinity: with the next complete snapshot of its table';
