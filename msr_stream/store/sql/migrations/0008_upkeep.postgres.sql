-- What is too old goes as whole partitions.

CREATE FUNCTION drop_history_before(wanted_parent text, at timestamptz) RETURNS integer LANGUAGE plpgsql
SET lock_timeout TO '2s' AS $$
DECLARE
    old record;
    dropped integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('msr.partition'), hashtext(current_schema() || wanted_parent));
    FOR old IN SELECT name FROM history_partition WHERE parent = wanted_parent AND upper(covers) <= at ORDER BY covers LOOP
        EXECUTE format('DROP TABLE %I', old.name);
        DELETE FROM history_partition WHERE name = old.name;
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$;
COMMENT ON FUNCTION drop_history_before IS
    'Drops the partitions of cdc_event or keyframe that end at or before an instant; returns how many. Fails after two '
    'seconds (lock_not_available) if readers hold the table: nobody waits for longer behind it, and it can be tried again';
