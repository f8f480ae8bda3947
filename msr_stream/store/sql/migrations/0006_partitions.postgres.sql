-- A partition is its owner's alone, whatever default privileges give away: others read through parent or view.

CREATE OR REPLACE FUNCTION ensure_partition(wanted_parent text, at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    -- Days where history is dense; a whole year where a few old events are all there is.
    day tstzrange := tstzrange(
        date_trunc('day', at, 'UTC'), date_trunc('day', at, 'UTC') + interval '24 hours');
    year tstzrange := tstzrange(
        date_trunc('year', at, 'UTC'), date_trunc('year', at AT TIME ZONE 'UTC' + interval '1 year') AT TIME ZONE 'UTC');
    chosen tstzrange := day;
    partition_name text;
    others text;
BEGIN
    -- One at a time: two workers may need the same day.
    PERFORM pg_advisory_xact_lock(hashtext('msr.partition'), hashtext(current_schema() || wanted_parent));
    IF EXISTS (SELECT FROM history_partition p WHERE p.parent = wanted_parent AND p.covers @> at) THEN
        RETURN;
    END IF;
    IF upper(year) < now() - interval '1 year'
        AND NOT EXISTS (SELECT FROM history_partition p WHERE p.parent = wanted_parent AND p.covers && year) THEN
        chosen := year;
    END IF;
    partition_name := wanted_parent || to_char(lower(chosen) AT TIME ZONE 'UTC',
        CASE WHEN chosen = day THEN '_YYYYMMDD' ELSE '_YYYY' END);
    -- Attaching, unlike CREATE … PARTITION OF, waits for no reader and makes none wait.
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition_name, wanted_parent);
    SELECT string_agg(DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, ', ') INTO others
    FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = partition_name::regclass AND a.grantee <> c.relowner;
    IF others IS NOT NULL THEN
        EXECUTE format('REVOKE ALL ON %I FROM %s', partition_name, others);
    END IF;
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        wanted_parent, partition_name, lower(chosen), upper(chosen));
    INSERT INTO history_partition VALUES (wanted_parent, partition_name, chosen);
END $$;
