-- Incremental snapshots: what they read piece by piece is held against what was settled when they were asked for.
CREATE TABLE snapshot_request (
    request_id text PRIMARY KEY,
    source text NOT NULL,
    settled_until timestamptz NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE snapshot_request IS 'Incremental snapshots that were asked for here; those of others are not known well enough to end anything';
COMMENT ON COLUMN snapshot_request.request_id IS 'The id of the signal, which the capture repeats in what it tells of the snapshot';
COMMENT ON COLUMN snapshot_request.source IS 'The source';
COMMENT ON COLUMN snapshot_request.settled_until IS 'What was settled of the source when it was asked for: all that is read or changed since is later';
COMMENT ON COLUMN snapshot_request.asked_at IS 'When that was';

ALTER TABLE snapshot_notice ADD COLUMN request_id text;
COMMENT ON COLUMN snapshot_notice.request_id IS 'Of an incremental snapshot: the id of the signal that asked for it; null: it is a first or a blocking one';
