-- Replay sessions, and what happened in each.
CREATE TABLE session (
    id uuid PRIMARY KEY,
    user_id text NOT NULL,
    username text NOT NULL,
    tenant_id text NOT NULL,
    status text NOT NULL CHECK (status IN ('ACTIVE', 'INACTIVE')),
    ended_reason text,
    playback jsonb NOT NULL DEFAULT '{}',
    ticked_at timestamptz,
    last_seen_at timestamptz NOT NULL,
    occ_lock bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    created_by text NOT NULL,
    updated_by text NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX session_active ON session (last_seen_at) WHERE status = 'ACTIVE';
CREATE INDEX session_of_user ON session (tenant_id, user_id, created_at);
COMMENT ON TABLE session IS 'Replay sessions';
COMMENT ON COLUMN session.id IS 'The session';
COMMENT ON COLUMN session.user_id IS 'Whose it is: the subject of the token';
COMMENT ON COLUMN session.username IS 'Whose it is, for people to read';
COMMENT ON COLUMN session.tenant_id IS 'The tenant it replays';
COMMENT ON COLUMN session.status IS 'ACTIVE, or INACTIVE once it is terminated or was not seen for too long';
COMMENT ON COLUMN session.ended_reason IS 'Why it is inactive: terminated, unseen';
COMMENT ON COLUMN session.playback IS 'Playhead, status, speed, window and filters';
COMMENT ON COLUMN session.ticked_at IS 'When the playhead was where it is: an older tick does not move it back';
COMMENT ON COLUMN session.last_seen_at IS 'When its user last called';
COMMENT ON COLUMN session.occ_lock IS 'Raised by every command: who read another value has read an old session';
COMMENT ON COLUMN session.created_at IS 'When it was created';
COMMENT ON COLUMN session.updated_at IS 'When a command last changed it';
COMMENT ON COLUMN session.created_by IS 'Who created it';
COMMENT ON COLUMN session.updated_by IS 'Who changed it last';

CREATE TABLE session_event (
    session_id uuid NOT NULL REFERENCES session ON DELETE CASCADE,
    number bigint NOT NULL,
    command_id uuid NOT NULL UNIQUE,
    kind text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    PRIMARY KEY (session_id, number)
);
COMMENT ON TABLE session_event IS 'The timeline of each session: what happened in it, in order, once';
COMMENT ON COLUMN session_event.session_id IS 'The session';
COMMENT ON COLUMN session_event.number IS 'Its place: the occ_lock that the command has brought';
COMMENT ON COLUMN session_event.command_id IS 'The command, which is applied once however often it arrives';
COMMENT ON COLUMN session_event.kind IS 'create, play, pause, seek, speed, window, filters, playback, mark, bookmark, …';
COMMENT ON COLUMN session_event.detail IS 'What it changed';
COMMENT ON COLUMN session_event.created_at IS 'When it was asked for';
COMMENT ON COLUMN session_event.created_by IS 'Who asked';

CREATE TABLE bookmark (
    id uuid PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES session ON DELETE CASCADE,
    tenant_id text NOT NULL,
    instant timestamptz NOT NULL,
    title text NOT NULL,
    note text NOT NULL DEFAULT '',
    rank double precision NOT NULL,
    occ_lock bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    created_by text NOT NULL,
    updated_by text NOT NULL
);
CREATE INDEX bookmark_session ON bookmark (session_id, rank);
COMMENT ON TABLE bookmark IS 'Moments that somebody marked in a session, with a title and a note';
COMMENT ON COLUMN bookmark.id IS 'The bookmark: the command that made it';
COMMENT ON COLUMN bookmark.session_id IS 'The session';
COMMENT ON COLUMN bookmark.tenant_id IS 'Its tenant';
COMMENT ON COLUMN bookmark.instant IS 'The moment';
COMMENT ON COLUMN bookmark.title IS 'What is there to see';
COMMENT ON COLUMN bookmark.note IS 'More about it';
COMMENT ON COLUMN bookmark.rank IS 'Its place among the session''s bookmarks';
COMMENT ON COLUMN bookmark.occ_lock IS 'Raised by every change';
COMMENT ON COLUMN bookmark.created_at IS 'When it was made';
COMMENT ON COLUMN bookmark.updated_at IS 'When it was last changed';
COMMENT ON COLUMN bookmark.created_by IS 'Who made it';
COMMENT ON COLUMN bookmark.updated_by IS 'Who changed it last';

INSERT INTO configuration (key, value) VALUES ('max_active_sessions', '5'), ('data_retention_cron_expression', '"0 3 * * *"'),
    ('columnstore_compression_age_days', '1'), ('cagg_refresh_interval_hours', '1'), ('cagg_refresh_lag_days', '1')
ON CONFLICT DO NOTHING;
