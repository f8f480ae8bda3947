-- Activity summed up by hour and by day, so that a month of it is answered from few rows. Triggers keep the sums in the
-- transaction that counts, erases or removes minutes, whoever does so: they are never behind and never wrong.
CREATE TABLE activity_total (
    span integer NOT NULL,
    bucket timestamptz NOT NULL,
    shard_id integer NOT NULL,
    table_name text NOT NULL,
    tenant_id text,
    op text NOT NULL,
    changes bigint NOT NULL,
    UNIQUE NULLS NOT DISTINCT (span, bucket, shard_id, table_name, tenant_id, op)
) WITH (fillfactor = 70);
COMMENT ON TABLE activity_total IS 'The activity of whole hours and days (UTC): sums of the rows of `activity`, kept by its triggers';
COMMENT ON COLUMN activity_total.span IS 'How long the bucket is, seconds: 3600 or 86400';
COMMENT ON COLUMN activity_total.bucket IS 'Beginning of the hour or day, effective time';
COMMENT ON COLUMN activity_total.shard_id IS 'The shard that counted';
COMMENT ON COLUMN activity_total.table_name IS 'The table';
COMMENT ON COLUMN activity_total.tenant_id IS 'The tenant; null: shared';
COMMENT ON COLUMN activity_total.op IS 'c, r, u or d';
COMMENT ON COLUMN activity_total.changes IS 'How many';

INSERT INTO activity_total (span, bucket, shard_id, table_name, tenant_id, op, changes)
SELECT span, date_bin(make_interval(secs => span), bucket, 'epoch'), shard_id, table_name, tenant_id, op, sum(changes)
FROM activity CROSS JOIN (VALUES (3600), (86400)) s (span) GROUP BY 1, 2, 3, 4, 5, 6;

CREATE FUNCTION sum_up_activity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO activity_total AS t (span, bucket, shard_id, table_name, tenant_id, op, changes)
        SELECT span, date_bin(make_interval(secs => span), bucket, 'epoch'), shard_id, table_name, tenant_id, op, sum(changes)
        FROM more CROSS JOIN (VALUES (3600), (86400)) s (span) GROUP BY 1, 2, 3, 4, 5, 6
        ON CONFLICT (span, bucket, shard_id, table_name, tenant_id, op) DO UPDATE SET changes = t.changes + excluded.changes;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO activity_total AS t (span, bucket, shard_id, table_name, tenant_id, op, changes)
        SELECT span, date_bin(make_interval(secs => span), bucket, 'epoch'), shard_id, table_name, tenant_id, op, sum(changes)
        FROM (SELECT * FROM more UNION ALL
              SELECT shard_id, bucket, table_name, tenant_id, op, -changes FROM less) m
            CROSS JOIN (VALUES (3600), (86400)) s (span) GROUP BY 1, 2, 3, 4, 5, 6
        ON CONFLICT (span, bucket, shard_id, table_name, tenant_id, op) DO UPDATE SET changes = t.changes + excluded.changes;
    ELSE
        UPDATE activity_total t SET changes = t.changes - l.changes
        FROM (SELECT span, date_bin(make_interval(secs => span), bucket, 'epoch') AS bucket, shard_id, table_name, tenant_id, op,
                     sum(changes) AS changes
              FROM less CROSS JOIN (VALUES (3600), (86400)) s (span) GROUP BY 1, 2, 3, 4, 5, 6) l
        WHERE t.span = l.span AND t.bucket = l.bucket AND t.shard_id = l.shard_id AND t.table_name = l.table_name
            AND t.tenant_id IS NOT DISTINCT FROM l.tenant_id AND t.op = l.op;
        DELETE FROM activity_total WHERE changes = 0 AND shard_id IN (SELECT shard_id FROM less);
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION sum_up_activity IS 'Carries what a statement has changed in `activity` over to the hours and days';

CREATE TRIGGER sum_up_more AFTER INSERT ON activity
    REFERENCING NEW TABLE AS more FOR EACH STATEMENT EXECUTE FUNCTION sum_up_activity();
CREATE TRIGGER sum_up_changed AFTER UPDATE ON activity
    REFERENCING NEW TABLE AS more OLD TABLE AS less FOR EACH STATEMENT EXECUTE FUNCTION sum_up_activity();
CREATE TRIGGER sum_up_less AFTER DELETE ON activity
    REFERENCING OLD TABLE AS less FOR EACH STATEMENT EXECUTE FUNCTION sum_up_activity();

CREATE VIEW v_activity_total WITH (security_barrier) AS
SELECT * FROM activity_total
WHERE coalesce(current_setting('msr.tenant', true), '') <> ''
    AND (tenant_id IS NULL OR tenant_id = current_setting('msr.tenant', true));
COMMENT ON VIEW v_activity_total IS 'The activity of hours and days that the tenant of the transaction may see';

-- The reading role may read that view too: one name more in the list of `let_read`, whatever else is in it.
DO $$ BEGIN
    EXECUTE replace(pg_get_functiondef('let_read'::regproc), '''v_activity''', '''v_activity'', ''v_activity_total''');
END $$;
