-- Which tables are still published and which have ended, and what has become of dead letters.
ALTER TABLE source_table
    ADD COLUMN published boolean,
    ADD COLUMN retired_at timestamptz;
COMMENT ON COLUMN source_table.published IS 'Whether the source published it when last looked at; null: never looked at';
COMMENT ON COLUMN source_table.retired_at IS 'The instant at which it was ended for good; null: it goes on';

ALTER TABLE shard ADD COLUMN retired_at timestamptz;
COMMENT ON COLUMN shard.retired_at IS 'The instant at which the last of its tables was ended; it holds nobody up. Null: it goes on';

CREATE OR REPLACE FUNCTION settled_instant() RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN count(*) FILTER (WHERE alive) = 0 THEN max(settled_until)
                WHEN bool_or(settled_until IS NULL) FILTER (WHERE alive) THEN NULL
                ELSE min(settled_until) FILTER (WHERE alive) END
    FROM (SELECT settled_until, live AND stopped IS NULL AND retired_at IS NULL AS alive FROM shard) s
$$;

ALTER TABLE dead_letter
    ADD COLUMN state text NOT NULL DEFAULT 'kept' CHECK (state IN ('kept', 'recorded', 'superseded')),
    ADD COLUMN outcome text,
    ADD COLUMN resolved_at timestamptz;
COMMENT ON COLUMN dead_letter.state IS 'kept; or, after a retry, recorded or superseded';
COMMENT ON COLUMN dead_letter.outcome IS 'What a retry has made of it, as a sentence; null while it is kept';
COMMENT ON COLUMN dead_letter.resolved_at IS 'When that was';
CREATE INDEX dead_letter_created_at ON dead_letter (created_at);

-- Rows that nobody sees are few, and counted on the sources page.
CREATE INDEX activity_without_tenant ON activity (table_name) WHERE tenant_id = '';
