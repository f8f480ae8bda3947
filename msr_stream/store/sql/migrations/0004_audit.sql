-- Who changed what.
CREATE TABLE audit (
    audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    user_id text NOT NULL,
    username text NOT NULL,
    tenant_id text,
    action text NOT NULL,
    subject text NOT NULL,
    before jsonb,
    after jsonb,
    correlation_id uuid
);
CREATE INDEX audit_created_at ON audit (created_at);
COMMENT ON TABLE audit IS 'Who changed what: settings, sources, dead letters, other people''s sessions';
COMMENT ON COLUMN audit.audit_id IS 'Its number';
COMMENT ON COLUMN audit.created_at IS 'When';
COMMENT ON COLUMN audit.user_id IS 'Who: the subject of the token';
COMMENT ON COLUMN audit.username IS 'Who, for people to read';
COMMENT ON COLUMN audit.tenant_id IS 'The tenant it concerns; null: all';
COMMENT ON COLUMN audit.action IS 'What was done: settings.update, session.terminate, source.restart, …';
COMMENT ON COLUMN audit.subject IS 'To what';
COMMENT ON COLUMN audit.before IS 'What was there before, where that is known';
COMMENT ON COLUMN audit.after IS 'What is there now';
COMMENT ON COLUMN audit.correlation_id IS 'The request''s';
