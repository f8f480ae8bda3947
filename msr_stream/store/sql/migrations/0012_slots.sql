-- How a source's replication slots were at the last look: one that was dropped and made anew in between is told by it.
ALTER TABLE source
    ADD COLUMN slot_counts jsonb,
    ADD COLUMN slot_captured_until timestamptz;
COMMENT ON COLUMN source.slot_counts IS
    'By slot, how much it had decoded when last looked at, and since when that is counted';
COMMENT ON COLUMN source.slot_captured_until IS 'What was committed up to here had been captured when its slots were last looked at';
ALTER TABLE coverage ADD COLUMN not_before timestamptz;
COMMENT ON COLUMN coverage.not_before IS 'Of one that waits for a snapshot: it must have been read after this; null: any';
COMMENT ON COLUMN source.slot_checked_at IS 'When the last look at the slots ended, by the source''s clock';
