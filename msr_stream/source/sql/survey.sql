-- name: server
-- Everything a refusal depends on, in one row. $1 the publication; $2 the capture role.
select current_setting('server_version_num')::int as version,
       current_database() as database,
       current_user as role,
       pg_is_in_recovery() as standby,
       current_setting('wal_level') as wal_level,
       (select r.rolsuper from pg_roles r where r.rolname = current_user) as superuser,
       current_setting('max_replication_slots')::int as max_slots,
       (select count(*)::int from pg_replication_slots) as slots,
       (select count(*)::int from pg_replication_slots s
        where s.database = current_database() and s.plugin = 'pgoutput') as own_slots,
       current_setting('max_wal_senders')::int as max_senders,
       (select count(*)::int from pg_stat_activity a where a.backend_type = 'walsender') as senders,
       current_setting('max_slot_wal_keep_size') as keep_size,
       coalesce(current_setting('event_triggers', true), 'on') as event_triggers,
       (select case
                   when p.puballtables then 'all tables'
                   when obj_description(p.oid, 'pg_publication') like 'MSR capture%' then 'ours'
                   else 'foreign'
               end
        from pg_publication p where p.pubname = $1::name) as publication,
       exists (select from pg_roles r where r.rolname = $2::name) as capture_role_exists,
       -- managed clouds give a role of theirs instead of the attribute
       exists (select from pg_roles r
               where r.rolname = $2::name
                 and (r.rolreplication or r.rolsuper
                      or exists (select from pg_roles g
                                 where g.rolname in ('rds_replication', 'cloudsqlreplica', 'azure_pg_admin')
                                   and pg_has_role(r.oid, g.oid, 'MEMBER')))) as capture_role_replicates,
       (select obj_description(n.oid, 'pg_namespace') from pg_namespace n where n.nspname = 'msr_capture') as stamp,
       (select count(*)::int from pg_event_trigger t
        where t.evtname in ('msr_capture_ddl', 'msr_capture_drop') and t.evtenabled = 'A') as triggers,
       to_regclass('msr_capture.capture') is not null as installed

-- name: wish
-- What the event triggers do for this publication. $1 the publication.
select c.capture_role, c.schemas from msr_capture.capture c where c.publication = $1::name

-- name: missing_schemas
-- Which of the schemas that were asked for do not exist. $1 the schemas.
select s.name from unnest($1::name[]) as s (name)
where not exists (select from pg_namespace n where n.nspname = s.name)
order by s.name

-- name: remarks
-- What cannot be captured, or not quite, although nothing is missing. $1 the publication; $2 the capture role.
-- Columns: subject, remark, wrong (whether `check` calls it an error).
with published as (
    select t.schemaname, t.tablename, c.oid, format('%I.%I', t.schemaname, t.tablename) as name, c.relkind
    from pg_publication_tables t
    join pg_namespace n on n.nspname = t.schemaname
    join pg_class c on c.relnamespace = n.oid and c.relname = t.tablename
    where t.pubname = $1::name
),
published_schema as (
    select distinct n.oid, n.nspname from published p join pg_namespace n on n.nspname = p.schemaname
    union
    select n.oid, n.nspname
    from pg_publication_namespace s
    join pg_publication p on p.oid = s.pnpubid
    join pg_namespace n on n.oid = s.pnnspid
    where p.pubname = $1::name
),
other as (
    select c.oid, format('%I.%I', n.nspname, c.relname) as name, n.nspname, c.relname, c.relkind, c.relpersistence,
           c.relispartition
    from pg_class c
    join published_schema n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'f') and c.oid not in (select p.oid from published p)
)
select p.name as subject,
       format('has neither a primary key nor a unique index, so that nothing tells its rows apart: its records become '
              'dead letters until the connector has "message.key.columns": "%s.%s:COLUMN,COLUMN"',
              p.schemaname, p.tablename) as remark,
       false as wrong
from published p
where not exists (select from pg_index i where i.indrelid = p.oid and i.indisvalid and (i.indisprimary or i.indisunique))
union all
select p.name,
       format('is read with the rows of the tables that inherit from it, but sends only changes of its own: '
              'add it to the connector''s "table.exclude.list"'),
       false
from published p
where p.relkind = 'r' and exists (select from pg_inherits h where h.inhparent = p.oid)
union all
select p.name, 'has virtual generated columns: they come with a snapshot, not with changes', false
from published p
where exists (select from pg_attribute a where a.attrelid = p.oid and a.attgenerated = 'v' and not a.attisdropped)
union all
select o.name, 'is unlogged: its changes are not in the source''s log and cannot be captured', false
from other o where o.relpersistence = 'u'
union all
select o.name, 'is a foreign table: capture it where its rows are', false
from other o where o.relkind = 'f'
union all
select o.name,
       'cannot be published, or its UPDATEs would fail: it has virtual generated columns and no usable key. '
       'Give it a primary key', true
from other o where o.relkind <> 'f' and o.relpersistence = 'p' and not o.relispartition
union all
select format('role %I', r.rolname),
       format('may read what is not published, and a first snapshot would send it: take the right away, or set the '
              'connector''s "table.exclude.list": "%s"',
              string_agg(format('%s.%s', o.nspname, o.relname), ',' order by o.nspname, o.relname)), true
from pg_roles r, other o
where r.rolname = $2::name and o.relkind <> 'f' and (o.relispartition or o.relpersistence = 'u')
  and has_table_privilege(r.oid, o.oid, 'SELECT')
group by r.rolname
order by 1, 2

-- name: slots
-- The replication slots of this database that the capture may use. $1 a slot's name, null: all.
-- `lag_bytes` is how much of the log the capture has not confirmed yet; `transactions` and `bytes` are what was decoded
-- through the slot, counted from nothing when it is made, when the server starts after a crash, and when the counts are reset.
select s.slot_name as name, s.active, coalesce(s.wal_status, 'lost') as wal_status,
       pg_wal_lsn_diff(pg_current_wal_lsn(), s.confirmed_flush_lsn)::bigint as lag_bytes,
       t.total_txns as transactions, t.total_bytes as bytes,
       pg_postmaster_start_time()::text as server, t.stats_reset::text as reset
from pg_replication_slots s
left join pg_stat_replication_slots t on t.slot_name = s.slot_name
where s.slot_type = 'logical' and case when $1::name is null then s.database = current_database() and s.plugin = 'pgoutput'
                                       else s.slot_name = $1::name end
order by s.slot_name

-- name: clock
-- The source's clock, microseconds since 1970.
select (extract(epoch from clock_timestamp()) * 1000000)::bigint

-- name: published
-- The tables whose changes are published, by whichever publication.
select distinct t.schemaname, t.tablename from pg_publication_tables t order by 1, 2
