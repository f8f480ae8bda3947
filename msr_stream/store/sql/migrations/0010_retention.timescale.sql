-- Chunks that are too old: which they are.

CREATE FUNCTION history_before(wanted_parent text, at timestamptz)
RETURNS TABLE (part text, estimated_rows bigint, bytes bigint) LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY SELECT h.chunk, greatest(c.reltuples, 0)::bigint,
        pg_total_relation_size(h.chunk::regclass) + coalesce(pg_total_relation_size(h.columnstore::regclass), 0)
    FROM history_chunk h JOIN pg_class c ON c.oid = coalesce(h.columnstore, h.chunk)::regclass
    WHERE h.parent = wanted_parent AND h.range_end <= at ORDER BY h.range_end;
END $$;
COMMENT ON FUNCTION history_before IS 'The chunks wholly before an instant; rows as the planner estimates them, of compressed ones the batches';
