-- A keyframe's rows know the log sequence number of the event they come from: what the recorder looks up needs it.
ALTER TABLE keyframe ADD COLUMN source_lsn bigint;
COMMENT ON COLUMN keyframe.source_lsn IS 'Log sequence number of that event at the source';
