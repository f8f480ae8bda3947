-- Partitions that are too old: which they are, and their end.

CREATE FUNCTION history_before(wanted_parent text, at timestamptz)
RETURNS TABLE (part text, estimated_rows bigint, bytes bigint) LANGUAGE plpgsql AS $$
BEGIN
    FOR part, estimated_rows, bytes IN
        SELECT c.relname, c.reltuples::bigint, pg_total_relation_size(c.oid)
        FROM history_partition p
        JOIN pg_class c ON c.relname = p.name AND c.relnamespace = current_schema()::regnamespace
        WHERE p.parent = wanted_parent AND upper(p.covers) <= at ORDER BY lower(p.covers)
    LOOP
        IF estimated_rows < 0 THEN
            EXECUTE format('SELECT count(*) FROM %I', part) INTO estimated_rows;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;
COMMENT ON FUNCTION history_before IS 'The partitions wholly before an instant; rows as the planner estimates them, counted where it does not';

CREATE OR REPLACE FUNCTION drop_history_before(wanted_parent text, at timestamptz) RETURNS integer LANGUAGE plpgsql
SET lock_timeout TO '2s' AS $$
DECLARE
    part text;
    dropped integer := 0;
BEGIN
    -- As in ensure_partition: one at a time.
    PERFORM pg_advisory_xact_lock(hashtext('msr.partition'), hashtext(current_schema() || wanted_parent));
    FOR part IN SELECT name FROM history_partition WHERE parent = wanted_parent AND upper(covers) <= at ORDER BY name LOOP
        -- One that is still attached makes readers wait: whoever has readers detaches it first, CONCURRENTLY.
        IF EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(quote_ident(part)) AND inhparent = wanted_parent::regclass) THEN
            EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', wanted_parent, part);
        END IF;
        EXECUTE format('DROP TABLE IF EXISTS %I', part);
        DELETE FROM history_partition WHERE name = part;
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$;
COMMENT ON FUNCTION drop_history_before IS 'Drops the partitions wholly before an instant; returns how many';
