-- What retention has done, and tables whose history is kept for a time of their own.

ALTER TABLE source_table
    ADD COLUMN retention_days integer CHECK (retention_days > 0),
    ADD COLUMN retained_from timestamptz;
COMMENT ON COLUMN source_table.retention_days IS 'How long its history is kept; null: as long as all history';
COMMENT ON COLUMN source_table.retained_from IS 'What a retention of its own has left: before it, answers name the table as incomplete';

CREATE TABLE retention_run (
    run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'waiting', 'failed', 'done')),
    step text NOT NULL DEFAULT 'begun',
    cutoff timestamptz,
    started_at timestamptz NOT NULL,
    touched_at timestamptz NOT NULL,
    finished_at timestamptz,
    partitions integer NOT NULL DEFAULT 0,
    dropped_rows bigint NOT NULL DEFAULT 0,
    dropped_bytes bigint NOT NULL DEFAULT 0,
    worker text NOT NULL,
    username text,
    error text
);
COMMENT ON TABLE retention_run IS 'What retention has done, and when';
COMMENT ON COLUMN retention_run.run_id IS 'Its number';
COMMENT ON COLUMN retention_run.state IS 'running; waiting for answers that began before it; failed; done. All but done are tried again';
COMMENT ON COLUMN retention_run.step IS 'The last step that was done';
COMMENT ON COLUMN retention_run.cutoff IS 'What is before it goes';
COMMENT ON COLUMN retention_run.started_at IS 'When it began';
COMMENT ON COLUMN retention_run.touched_at IS 'When it was last heard of';
COMMENT ON COLUMN retention_run.finished_at IS 'When it ended, well or not';
COMMENT ON COLUMN retention_run.partitions IS 'Partitions dropped';
COMMENT ON COLUMN retention_run.dropped_rows IS 'Rows in them, as the planner estimates, and rows deleted of tables with a time of their own';
COMMENT ON COLUMN retention_run.dropped_bytes IS 'Bytes of those partitions, with indexes';
COMMENT ON COLUMN retention_run.worker IS 'The worker that did it';
COMMENT ON COLUMN retention_run.username IS 'Who asked for it; null: it was due';
COMMENT ON COLUMN retention_run.error IS 'Why it did not come to its end';
