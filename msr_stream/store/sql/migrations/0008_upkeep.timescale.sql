-- What is old is compressed, what is too old goes as whole chunks, and nobody but the owner reads a chunk.

CREATE FUNCTION timescale_schema() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'timescaledb'
$$;
COMMENT ON FUNCTION timescale_schema IS 'Where the extension''s functions are, quoted';

CREATE VIEW history_chunk AS
SELECT h.table_name::text AS parent, format('%I.%I', c.schema_name, c.table_name) AS chunk, s.range_start, s.range_end,
    c.status & 1 = 1 AS compressed, quote_ident(z.schema_name) || '.' || quote_ident(z.table_name) AS columnstore
FROM _timescaledb_catalog.hypertable h
JOIN _timescaledb_catalog.chunk c ON c.hypertable_id = h.id AND NOT c.dropped
JOIN timescaledb_information.chunks s ON s.chunk_schema = c.schema_name AND s.chunk_name = c.table_name
LEFT JOIN _timescaledb_catalog.chunk z ON z.id = c.compressed_chunk_id
WHERE h.schema_name = current_schema() AND h.table_name IN ('cdc_event', 'keyframe');
COMMENT ON VIEW history_chunk IS 'The chunks of cdc_event and keyframe: which times each holds, and where its compressed rows are';

CREATE FUNCTION drop_history_before(wanted_parent text, at timestamptz) RETURNS integer LANGUAGE plpgsql
SET lock_timeout TO '2s' AS $$
DECLARE
    dropped integer;
BEGIN
    EXECUTE format('SELECT count(*) FROM %s.drop_chunks(%L::regclass, older_than => %L::timestamptz)',
        timescale_schema(), wanted_parent, at) INTO dropped;
    RETURN dropped;
END $$;
COMMENT ON FUNCTION drop_history_before IS
    'Drops the chunks of cdc_event or keyframe that end at or before an instant; returns how many. Fails after two '
    'seconds (lock_not_available) if readers hold them: nobody waits for longer behind it, and it can be tried again';

CREATE FUNCTION set_chunk_interval(wanted interval) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    other text;
BEGIN
    FOR other IN SELECT hypertable_name FROM timescaledb_information.dimensions
        WHERE hypertable_schema = current_schema() AND hypertable_name IN ('cdc_event', 'keyframe')
            AND time_interval <> wanted
    LOOP
        EXECUTE format('SELECT %s.set_chunk_time_interval(%L::regclass, %L::interval)', timescale_schema(), other, wanted);
    END LOOP;
END $$;
COMMENT ON FUNCTION set_chunk_interval IS 'How much time a chunk holds from now on; those that are there stay as they are';

CREATE FUNCTION compress_next(age interval) RETURNS text LANGUAGE plpgsql SET lock_timeout TO '2s' AS $$
DECLARE
    -- What has settled is final. A chunk to which rows came all the same is read as it is: compressing it once more would
    -- take rows away from answers that have begun.
    due text := (SELECT chunk FROM history_chunk WHERE NOT compressed
        AND range_end <= least(now() - age, coalesce(settled_instant(), '-infinity')) ORDER BY range_end, chunk LIMIT 1);
BEGIN
    IF due IS NOT NULL THEN
        -- Emptied by TRUNCATE, whatever else is set: only so an answer that began before sees each row, and sees it once.
        IF current_setting('timescaledb.compress_truncate_behaviour', true) IS NOT NULL THEN
            PERFORM set_config('timescaledb.compress_truncate_behaviour', 'truncate_only', true);
        END IF;
        EXECUTE format('CALL %s.convert_to_columnstore(%L::regclass)', timescale_schema(), due);
    END IF;
    RETURN due;
END $$;
COMMENT ON FUNCTION compress_next IS
    'Compresses the oldest chunk that is older than an age, and settled; returns its name, or null: there is none. Fails '
    'after two seconds (lock_not_available) if readers hold it: nobody waits for longer behind it, and it can be tried again';

CREATE FUNCTION let_not_read_chunks(reader text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    too_much text;
BEGIN
    SELECT string_agg(x.chunk, ', ') INTO too_much FROM (
        SELECT c.chunk FROM (SELECT chunk FROM history_chunk UNION ALL SELECT columnstore FROM history_chunk WHERE compressed) c
        WHERE has_table_privilege(reader, c.chunk, 'INSERT, UPDATE, DELETE, TRUNCATE')
            OR has_any_column_privilege(reader, c.chunk, 'SELECT')
        ORDER BY c.chunk LIMIT 5) x;
    IF too_much IS NOT NULL THEN
        RAISE EXCEPTION 'the reading role % has rights it must not have, on the chunks %: run REVOKE ALL ON … FROM PUBLIC, %',
            quote_ident(reader), too_much, quote_ident(reader);
    END IF;
END $$;
COMMENT ON FUNCTION let_not_read_chunks IS 'Fails if the reading role may do anything with a chunk, compressed or not';
