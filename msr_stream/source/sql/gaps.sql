-- name: gaps
-- What is still missing before every table is captured, each with the statement that mends it, in the order to run.
--
-- $1 the publication; $2 the role that captures, null: no grants; $3 the schemas to capture, null: every schema but
-- the system's. Read by `source prepare` (its plan), by `source check` (what is wrong) and, as the body of
-- msr_capture.gaps(), by the event triggers: one text, so that they can never disagree.
-- Columns: kind (identity, publication, publish, grant), explanation, statement.
with captured_schema as (
    select n.oid, n.nspname
    from pg_namespace n
    where n.nspname !~ '^pg_'
      and n.nspname not in ('information_schema', 'msr_capture')
      and ($3::name[] is null or n.nspname = any ($3))
      -- what an extension keeps in a schema of its own is the extension's, as the catalog is the server's
      and not exists (
          select from pg_depend d
          where d.classid = 'pg_namespace'::regclass and d.objid = n.oid and d.deptype = 'e')
      -- MSR's own history in the same database would record its own recording, for ever
      and 2 > (
          select count(*) from pg_class c
          where c.relnamespace = n.oid and c.relname in ('cdc_event', 'keyframe_head'))
),
-- Permanent tables of these schemas, and partitions elsewhere of tables in them. A partition is published as its
-- topmost captured ancestor: a row stays one entity whichever partition it lies in.
member as (
    select c.oid, c.relnamespace, coalesce(top.relid, c.oid) as published_as,
           format('%I.%I', n.nspname, c.relname) as name, c.relreplident,
           exists (
               select from pg_attribute a
               where a.attrelid = c.oid and a.attgenerated = 'v' and not a.attisdropped) as has_virtual_columns,
           exists (
               select from pg_index i
               where i.indrelid = c.oid and i.indisprimary and i.indisvalid and i.indimmediate) as has_key,
           exists (
               select from pg_index i
               where i.indrelid = c.oid and i.indisreplident and i.indisvalid and i.indimmediate) as has_index
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    left join lateral (
        select p.relid
        from pg_partition_ancestors(c.oid) with ordinality as p (relid, height)
        join pg_class a on a.oid = p.relid
        where a.relnamespace in (select s.oid from captured_schema s)
        order by p.height desc
        limit 1
    ) top on true
    where c.relkind in ('r', 'p')
      and c.relpersistence = 'p'
      and (top.relid is not null or c.relnamespace in (select s.oid from captured_schema s))
),
-- A published table on which an UPDATE finds no usable identity refuses the UPDATE, so each gets one: its primary
-- key (a deferrable one does not count), else the whole old row. With virtual generated columns PostgreSQL 18 refuses
-- the whole row too; then a unique index without nulls will do, and without one the table cannot be published.
cure as (
    select m.*,
           case
               when case m.relreplident
                        when 'f' then not m.has_virtual_columns
                        when 'd' then m.has_key
                        when 'i' then m.has_index
                        else false
                    end then null
               when m.has_key then 'DEFAULT'
               when not m.has_virtual_columns then 'FULL'
               else coalesce('USING INDEX ' || quote_ident(fit.relname), 'none')
           end as identity
    from member m
    left join lateral (
        select x.relname
        from pg_index i
        join pg_class x on x.oid = i.indexrelid
        where i.indrelid = m.oid and i.indisunique and i.indisvalid and i.indimmediate
          and i.indpred is null and i.indexprs is null
          and not exists (
              select from unnest(i.indkey::int2[]) k
              join pg_attribute a on a.attrelid = m.oid and a.attnum = k
              where not a.attnotnull)
        order by x.relname
        limit 1
    ) fit on true
),
-- A table that cannot be published is left out with all of its partitions. A publication of a whole schema cannot
-- leave one out, so such a schema is published table by table.
unfit as (
    select distinct c.published_as from cure c where c.identity = 'none'
),
by_table as (
    select distinct c.relnamespace as oid from cure c where c.published_as in (select u.published_as from unfit u)
),
publication as (
    select p.oid, p.pubname, p.pubviaroot, to_jsonb(p) ->> 'pubgencols' as generated,
           p.pubinsert and p.pubupdate and p.pubdelete and p.pubtruncate as whole
    from pg_publication p
    where p.pubname = $1::name
),
option as (
    select 'publish = ''insert, update, delete, truncate'', publish_via_partition_root = true'
           -- without it PostgreSQL 18 refuses UPDATEs where a generated column is part of the identity
           || case when current_setting('server_version_num')::int >= 180000
                   then ', publish_generated_columns = stored' else '' end as list
),
capture_role as (
    select r.oid, r.rolname from pg_roles r where r.rolname = $2::name
),
gap as (
    select 1 as step, 'identity' as kind, c.name as subject,
           format(case
                      when c.identity = 'DEFAULT' then '%s: its primary key identifies its rows'
                      when c.identity = 'FULL' then '%s has no usable primary key: UPDATE and DELETE would fail without its whole old row'
                      else '%s has virtual generated columns: a unique index identifies its rows'
                  end, c.name) as explanation,
           format('ALTER TABLE %s REPLICA IDENTITY %s', c.name, c.identity) as statement
    from cure c
    where c.identity <> 'none' and c.published_as not in (select u.published_as from unfit u)
    union all
    select 2, 'publication', '', 'the publication, empty at first',
           format('CREATE PUBLICATION %I WITH (%s)', $1::name, o.list)
    from option o
    where not exists (select from publication)
    union all
    select 3, 'publication', '', 'the mark by which the next run knows that the publication is ours',
           format('COMMENT ON PUBLICATION %I IS %L', $1::name, 'MSR capture')
    where not exists (select from publication)
    union all
    select 4, 'publication', '', 'the publication sends every operation, and partitions under their table''s name',
           format('ALTER PUBLICATION %I SET (%s)', p.pubname, o.list)
    from publication p, option o
    where not (p.whole and p.pubviaroot and p.generated is not distinct from
               case when current_setting('server_version_num')::int >= 180000 then 's' end)
    union all
    select 5, 'publish', n.nspname,
           format('schema %I is no longer captured as a whole', n.nspname),
           format('ALTER PUBLICATION %I DROP TABLES IN SCHEMA %I', $1::name, n.nspname)
    from publication p
    join pg_publication_namespace pn on pn.pnpubid = p.oid
    join pg_namespace n on n.oid = pn.pnnspid
    where n.oid not in (select s.oid from captured_schema s) or n.oid in (select b.oid from by_table b)
    union all
    select 6, 'publish', c.name, format('%s cannot be published, its UPDATEs would fail', c.name),
           format('ALTER PUBLICATION %I DROP TABLE ONLY %s', $1::name, c.name)
    from cure c
    join pg_publication_rel pr on pr.prrelid = c.oid
    join publication p on p.oid = pr.prpubid
    where c.published_as in (select u.published_as from unfit u)
    union all
    select 7, 'publish', s.nspname,
           format('every table of schema %I, also those created later', s.nspname),
           format('ALTER PUBLICATION %I ADD TABLES IN SCHEMA %I', $1::name, s.nspname)
    from captured_schema s
    where s.oid not in (select b.oid from by_table b)
      and not exists (
          select from pg_publication_namespace pn
          join publication p on p.oid = pn.pnpubid
          where pn.pnnspid = s.oid)
    union all
    select 8, 'publish', c.name,
           format('%s by itself: a table of its schema cannot be published', c.name),
           format('ALTER PUBLICATION %I ADD TABLE ONLY %s', $1::name, c.name)
    from cure c
    where c.relnamespace in (select b.oid from by_table b)
      and c.published_as = c.oid and c.oid not in (select u.published_as from unfit u)
      and not exists (
          select from pg_publication_rel pr
          join publication p on p.oid = pr.prpubid
          where pr.prrelid = c.oid)
    union all
    select 9, 'grant', '', format('%I may connect', r.rolname),
           format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), r.rolname)
    from capture_role r
    where not has_database_privilege(r.oid, current_database(), 'CONNECT')
    union all
    select 10, 'grant', s.nspname, format('%I may look into schema %I', r.rolname, s.nspname),
           format('GRANT USAGE ON SCHEMA %I TO %I', s.nspname, r.rolname)
    from capture_role r, captured_schema s
    where not has_schema_privilege(r.oid, s.oid, 'USAGE')
    union all
    -- not on partitions: a snapshot sends the rows of whatever it may read, and theirs come with their table's
    select 11, 'grant', n.nspname, format('%I may read the tables of schema %I for snapshots', r.rolname, n.nspname),
           format('GRANT SELECT ON %s TO %I', string_agg(c.name, ', ' order by c.name), r.rolname)
    from capture_role r, cure c
    join pg_namespace n on n.oid = c.relnamespace
    where c.published_as = c.oid and c.oid not in (select u.published_as from unfit u)
      and not has_table_privilege(r.oid, c.oid, 'SELECT')
    group by r.rolname, n.nspname
    union all
    select 12, 'grant', c.name, format('%s has become a partition: its rows are read with its table', c.name),
           format('REVOKE SELECT ON %s FROM %I', c.name, r.rolname)
    from capture_role r, cure c
    join pg_class x on x.oid = c.oid, aclexplode(x.relacl) acl
    where c.published_as <> c.oid and acl.grantee = r.oid and acl.privilege_type = 'SELECT'
      and x.relowner <> r.oid
)
select g.kind, g.explanation, g.statement
from gap g
order by g.step, g.subject
