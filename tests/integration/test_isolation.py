"""Invariant 16: who reads for a tenant cannot see another's rows, whatever the query forgets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import asyncpg
import pytest
from msr_local.postgres import Postgres

from msr_stream.errors import BadRequest, MigrationError
from msr_stream.instants import DAY, now
from msr_stream.recording.progress import Shard
from msr_stream.settings import Settings
from msr_stream.store import migrations as store_migrations
from msr_stream.store import planning
from msr_stream.store.database import connect_arguments
from msr_stream.store.migrations import migrate, migrations
from tests.conftest import history_settings, run_postgres, servers, version_of
from tests.world import World, world

#: What the reading role may read: the views, and what holds no tenant's data.
READABLE = {
    "v_cdc_event", "v_keyframe", "v_activity", "v_activity_total", "shard", "source", "source_table", "keyframe_head",
    "coverage", "configuration", "history_epoch", "v_clip", "v_clip_event",
}  # fmt: skip
VIEWS = ["v_cdc_event", "v_keyframe", "v_activity", "v_activity_total"]
REFUSED = asyncpg.InsufficientPrivilegeError


@pytest.fixture(scope="module", params=servers(), ids=version_of)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """Each PostgreSQL server that this machine has: before 16 and since, roles are taken by different rules."""
    yield from run_postgres(tmp_path_factory.mktemp("postgres"), request.param)


@pytest.fixture
def settings(server: Postgres, tmp_path: Path) -> Settings:
    """Settings of a worker whose history lies in that server."""
    return history_settings(server.port, tmp_path)


async def _connect(settings: Settings) -> Any:
    return await asyncpg.connect(
        **connect_arguments(settings), server_settings={"search_path": settings.database_schema}
    )


@asynccontextmanager
async def _reader(settings: Settings) -> AsyncIterator[Any]:
    """A connection as the reading role, of which nothing else is asked: no transaction, no tenant, not read only."""
    connection = await _connect(settings)
    try:
        await connection.execute(f"SET ROLE {settings.database_reader_role}")
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def _filled(settings: Settings) -> AsyncIterator[World]:
    """Four days of two tenants' rows, rows of a null tenant and shared rows, as events, keyframe and activity."""
    async with world(settings) as w:
        await w.own()
        await w.own("d.s.shared")
        w.settler._lateness = 0
        for day in (3, 2, 1, 0):
            for tenant in ("t1", "t2", None):
                w.send({"id": f"{tenant}-{day}", "tenant_id": tenant}, ts_us=now() - day * DAY)
            w.send({"id": f"shared-{day}"}, shard=Shard("d.s.shared", 0), ts_us=now() - day * DAY)
        w.write(b"{", b"{}")
        await w.flushed()
        await w.settler.tick()
        await w.fetch("SELECT ensure_partition('keyframe', now())")
        await w.fetch(
            """INSERT INTO keyframe SELECT 1, now(), shard_id, position, event_timestamp, source_timestamp, op,
            table_name, entity_id, tenant_id, entity_state, unavailable_fields FROM cdc_event"""
        )
        yield w


async def _seen(connection: Any, view: str) -> dict[str | None, int]:
    """Number of rows by tenant."""
    found = await connection.fetch(f"SELECT tenant_id, count(*) AS n FROM {view} GROUP BY tenant_id")
    return {row["tenant_id"]: row["n"] for row in found}


async def test_the_reading_role_may_read_no_table_of_the_history_and_no_partition(settings: Settings) -> None:
    async with _filled(settings) as w, _reader(settings) as reader:
        there = await w.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relkind IN ('r', 'p', 'v')",
            settings.database_schema,
        )
        names = {row["relname"] for row in there}
        closed = names - READABLE
        assert closed > {"cdc_event", "keyframe", "activity", "dead_letter", "audit"}
        assert closed >= await _partitions(w)
        assert {name.rsplit("_", 1)[0] for name in await _partitions(w)} == {"cdc_event", "keyframe"}
        for name in closed:
            with pytest.raises(REFUSED, match=f"permission denied for table {name}"):
                await reader.fetch(f"SELECT FROM {name}")
            with pytest.raises(REFUSED):
                await reader.execute(f"COPY {name} TO STDOUT")
        for name in READABLE:
            await reader.fetch(f"SELECT * FROM {name} LIMIT 1")
        await w.fetch("ANALYZE cdc_event")
        samples = "SELECT count(*) FROM pg_stats WHERE tablename LIKE 'cdc_event%' AND schemaname = $1"
        assert (await w.fetch(samples, settings.database_schema))[0][0] > 0
        assert await reader.fetchval(samples, settings.database_schema) == 0  # values stand there too
        assert await reader.fetchval("SELECT settled_instant()") is not None


@pytest.mark.parametrize("view", VIEWS)
async def test_a_view_shows_the_tenants_rows_and_shared_ones(settings: Settings, view: str) -> None:
    """Never another tenant's, nor those of a null tenant, which lie under the empty name."""
    async with _filled(settings) as w, _reader(settings) as reader:
        table = view.removeprefix("v_")
        rows = 8 if table == "activity_total" else 4  # the hours and the days
        assert await _seen_by_owner(w, table) == {"t1": rows, "t2": rows, "": rows, None: rows}
        for tenant in ("t1", "t2"):
            async with reader.transaction():
                await reader.execute("SELECT set_config('msr.tenant', $1, true)", tenant)
                assert await _seen(reader, view) == {tenant: rows, None: rows}


async def _seen_by_owner(w: World, table: str) -> dict[str | None, int]:
    async with w.database.recording() as connection:
        return await _seen(connection, table)


@pytest.mark.parametrize("view", VIEWS)
async def test_without_a_tenant_there_is_nothing_not_even_shared_rows(settings: Settings, view: str) -> None:
    async with _filled(settings), _reader(settings) as reader:
        assert await _seen(reader, view) == {}
        async with reader.transaction():
            await reader.execute("SET LOCAL msr.tenant TO 't1'")
            assert await _seen(reader, view) != {}
        assert await reader.fetchval("SELECT current_setting('msr.tenant', true)") == ""
        assert await _seen(reader, view) == {}
        await reader.execute("SET msr.tenant TO ''")
        assert await _seen(reader, view) == {}


async def test_a_function_in_the_query_sees_only_what_the_view_shows(settings: Settings) -> None:
    """The planner runs cheap conditions first, if it may: behind a view without `security_barrier` it sees all."""
    async with _filled(settings) as w, _reader(settings) as reader:
        leak = "$$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$"
        await w.fetch(f"CREATE FUNCTION leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS {leak}")
        definition = (await w.fetch("SELECT pg_get_viewdef('v_cdc_event'::regclass) AS sql"))[0]["sql"]
        await w.fetch(f"CREATE VIEW without_barrier AS {definition}")
        await w.fetch(f"GRANT SELECT ON without_barrier TO {settings.database_reader_role}")
        leaked: list[str] = []
        reader.add_log_listener(lambda _, message: leaked.append(message.message))
        await reader.execute("SET msr.tenant TO 't1'")
        for view, tenants in (("without_barrier", {"t1", "t2", None}), ("v_cdc_event", {"t1", None})):
            leaked.clear()
            await reader.fetch(f"SELECT FROM {view} WHERE leak(entity_state)")
            rows = [json.loads(line) for line in leaked]
            assert {row.get("tenant_id") for row in rows} == tenants
            null_tenants = [row for row in rows if row.get("tenant_id", "") is None]
            assert bool(null_tenants) == (view == "without_barrier")


async def test_the_reading_role_writes_nothing(settings: Settings) -> None:
    async with _filled(settings), _reader(settings) as reader:
        await reader.execute("SET msr.tenant TO 't1'")
        for name in [*READABLE, "cdc_event", "dead_letter"]:
            for statement in ("INSERT INTO {} DEFAULT VALUES", "DELETE FROM {}", "TRUNCATE {}"):
                if name.startswith("v_") and statement.startswith("TRUNCATE"):
                    continue  # is not a table
                with pytest.raises(REFUSED):
                    await reader.execute(statement.format(name))
        for view in VIEWS:
            with pytest.raises(REFUSED):
                await reader.execute(f"UPDATE {view} SET tenant_id = 't1'")
        with pytest.raises(REFUSED):
            await reader.execute("SELECT ensure_partition('cdc_event', '2001-01-01')")


async def test_default_privileges_do_not_open_later_partitions(settings: Settings) -> None:
    async with _filled(settings) as w, _reader(settings) as reader:
        for whom in ("PUBLIC", settings.database_reader_role, "debezium"):
            await w.fetch(
                f"ALTER DEFAULT PRIVILEGES IN SCHEMA {settings.database_schema} GRANT ALL ON TABLES TO {whom}"
            )
        await w.fetch("CREATE TABLE opened ()")
        await reader.fetch("SELECT FROM opened")
        await w.fetch("DROP TABLE opened")
        before = await _partitions(w)
        for parent in ("cdc_event", "keyframe"):
            await w.fetch(f"SELECT ensure_partition('{parent}', now() + interval '20 days')")
        w.send({"id": "far", "tenant_id": "t2"}, ts_us=40 * DAY)
        w.send({"id": "later", "tenant_id": "t2"})
        await w.flushed()
        made = await _partitions(w) - before
        assert len(made) >= 2
        for name in made:
            with pytest.raises(REFUSED):
                await reader.fetch(f"SELECT FROM {name}")
        given = await w.fetch(
            """SELECT a.grantee::regrole FROM pg_class c, aclexplode(c.relacl) a
            WHERE c.relname = ANY ($1) AND c.relnamespace = $2::text::regnamespace AND a.grantee <> c.relowner""",
            made,
            settings.database_schema,
        )
        assert given == []
        await migrate(settings)  # and finds nothing that is too much


async def _partitions(w: World) -> set[str]:
    return {row["name"] for row in await w.fetch("SELECT name FROM history_partition")}


def _unfiltered(name: str) -> str:
    """A query of an answer whose own tenant filter was forgotten."""
    sql = str(planning._sql[name])
    forgotten = sql.replace("(tenant_id IS NULL OR tenant_id = {tenant})", "({tenant}::text IS NOT NULL)")
    assert forgotten != sql
    return forgotten


@pytest.mark.parametrize("small", [0, 2_000])
async def test_an_answer_whose_query_forgets_the_tenant_is_still_the_tenants(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, small: int
) -> None:
    """In the statements of big shards, and in the one that small ones share."""
    monkeypatch.setattr(planning, "SMALL", small)
    async with _filled(settings) as w:
        whole = {tenant: await w.state(tenant) for tenant in ("t1", "t2")}
        forgetful = {name: _unfiltered(name) for name in ("state", "small_states", "events")}
        monkeypatch.setattr(planning, "_sql", MappingProxyType({**planning._sql, **forgetful}))
        for tenant in ("t1", "t2"):
            rows = await w.state(tenant)
            assert sorted(row["entity_id"] for row in rows) == sorted(
                f"{whose}-{day}" for whose in (tenant, "shared") for day in range(4)
            )
            assert rows == whole[tenant]
            async with w.replay.snapshot(tenant, None) as snapshot:
                latest = snapshot.resolve(None)
            assert {row["entity_id"] for row in await w.events(tenant, now() - 4 * DAY, latest)} == {
                row["entity_id"] for row in rows
            }


async def test_an_answer_reads_as_the_reading_role_and_for_no_longer(settings: Settings) -> None:
    """Whether it ends well or is refused: the connection goes back as the owner's, with no tenant and no lock."""
    async with _filled(settings) as w:
        for error in (None, BadRequest()):
            pid = await _answer(w, settings, error)
            async with w.database.replaying() as connection:
                assert connection.get_server_pid() == pid
                assert await connection.fetchval("SELECT current_user") == settings.database_user
                assert await connection.fetchval("SELECT coalesce(current_setting('msr.tenant', true), '')") == ""
                locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
                assert await connection.fetchval(locks) == 0


async def _answer(w: World, settings: Settings, error: BadRequest | None) -> int:
    """Look about in an answer's connection; returns the process that served it."""
    pid = 0
    try:
        async with w.replay.snapshot("t1", None) as snapshot:
            connection = snapshot._connection
            pid = connection.get_server_pid()
            assert await connection.fetchval("SELECT current_user") == settings.database_reader_role
            assert await _seen(connection, "v_cdc_event") == {"t1": 4, None: 4}
            if error is not None:
                raise error
    except BadRequest:
        assert error is not None
    return pid


async def test_an_answer_that_reaches_for_a_table_gets_nothing(settings: Settings) -> None:
    async with _filled(settings) as w:
        for table in ("cdc_event", "keyframe", "activity", "activity_total", "dead_letter"):
            with pytest.raises(REFUSED):
                async with w.replay.snapshot("t1", None) as snapshot:
                    await snapshot._connection.fetch(f"SELECT FROM {table}")
        assert len(await w.state("t1")) == 8


async def test_partitions_are_left_out_and_indexes_used_below_the_view(settings: Settings) -> None:
    """What the barrier lets through to the tables: only conditions whose operators are leakproof."""
    async with _filled(settings) as w, _reader(settings) as reader:
        names = [
            row["name"]
            for row in await w.fetch(
                "SELECT name FROM history_partition WHERE parent = 'cdc_event' ORDER BY lower(covers)"
            )
        ]
        midnight = now() // DAY * DAY
        noon, next_noon = (f"to_timestamp({(midnight - DAY * days) // 1_000_000} - 43200)" for days in (1, 0))
        await reader.execute("SET enable_seqscan TO off")
        await reader.execute("SET msr.tenant TO 't1'")
        window = f"event_timestamp > {noon} AND event_timestamp <= {next_noon}"
        for condition in (f"shard_id = 1 AND {window}", f"shard_id = ANY ('{{1,2}}'::int[]) AND {window}"):
            query = f"SELECT * FROM v_cdc_event WHERE {condition} AND (tenant_id IS NULL OR tenant_id = 't1')"
            plan = "\n".join(row[0] for row in await reader.fetch(f"EXPLAIN (ANALYZE, COSTS OFF) {query}"))
            assert [name for name in names if f"on {name} " in plan] == names[1:3], plan
            used = [line for line in plan.splitlines() if "Index Cond" in line]
            assert len(used) == 2, plan
            assert all("shard_id = " in line and "event_timestamp > " in line for line in used), plan


async def test_an_administrator_is_told_what_to_run_if_the_user_may_not(server: Postgres, settings: Settings) -> None:
    role = f"reader_{settings.database_schema}"
    settings = settings.model_copy(update={"database_reader_role": role})
    with server.connect("history") as administrator:
        for wanted in (f"CREATE ROLE {role} NOLOGIN ROLE aoh_msr_user;", f"GRANT {role} TO aoh_msr_user;"):
            with pytest.raises(MigrationError) as caught:
                await migrate(settings)
            message = str(caught.value)
            assert message.endswith(f"let an administrator of the database run: {wanted}")
            assert "DATABASE_READER_ROLE" in message
            assert "\n" not in message
            administrator.execute(wanted.encode())
            await migrate(settings)
            administrator.execute(f"REVOKE {role} FROM aoh_msr_user".encode())
        if administrator.info.server_version >= 160000:
            administrator.execute(f"GRANT {role} TO aoh_msr_user WITH INHERIT TRUE, SET FALSE".encode())
            with pytest.raises(MigrationError, match=f"run: GRANT {role} TO aoh_msr_user;$"):
                await migrate(settings)


async def test_a_user_that_may_make_roles_makes_it(server: Postgres, settings: Settings) -> None:
    """Also when workers of several schemas start at once: roles belong to the whole server."""
    user = f"maker_{settings.database_schema}"
    role = f"reader_{settings.database_schema}"
    with server.connect("history") as administrator:
        administrator.execute(f"CREATE ROLE {user} LOGIN CREATEROLE".encode())
        administrator.execute(f"GRANT CREATE ON DATABASE history TO {user}".encode())
    schemas = [f"{settings.database_schema}_{number}" for number in range(4)]
    several = [
        settings.model_copy(update={"database_user": user, "database_reader_role": role, "database_schema": schema})
        for schema in schemas
    ]
    await asyncio.gather(*(migrate(one) for one in several))
    for one in several:
        async with _filled(one) as w:
            assert len(await w.state("t1")) == 8


async def test_another_reading_role_gets_its_rights_at_the_next_start(server: Postgres, settings: Settings) -> None:
    async with _filled(settings):
        pass
    other = settings.model_copy(update={"database_reader_role": f"other_{settings.database_schema}"})
    with server.connect("history") as administrator:
        administrator.execute(f"CREATE ROLE {other.database_reader_role} NOLOGIN ROLE aoh_msr_user".encode())
    async with world(other) as w:
        assert len(await w.state("t1")) == 8


@pytest.mark.parametrize(
    "mistake",
    [
        "ALTER ROLE {role} SUPERUSER",
        "GRANT pg_read_all_data TO {role}",
        "GRANT SELECT ON {schema}.cdc_event TO {role}",
        "GRANT SELECT (record_value) ON {schema}.dead_letter TO PUBLIC",
        "GRANT DELETE ON {schema}.v_cdc_event TO {role}",
        "GRANT UPDATE ON {schema}.shard TO PUBLIC",
    ],
)
async def test_a_reading_role_with_too_many_rights_stops_the_start(
    server: Postgres, settings: Settings, mistake: str
) -> None:
    """It would read past the views, and nobody would notice."""
    role = f"reader_{settings.database_schema}"
    settings = settings.model_copy(update={"database_reader_role": role})
    with server.connect("history") as administrator:
        administrator.execute(f"CREATE ROLE {role} NOLOGIN ROLE aoh_msr_user".encode())
        await migrate(settings)
        administrator.execute(mistake.format(role=role, schema=settings.database_schema).encode())
        try:
            with pytest.raises(MigrationError, match=f"the reading role {role} has rights it must not have") as caught:
                await migrate(settings)
        finally:
            administrator.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())
    assert "\n" not in str(caught.value)


async def test_the_owner_is_no_reading_role(settings: Settings) -> None:
    await migrate(settings)
    with pytest.raises(MigrationError, match="the reading role aoh_msr_user has rights it must not have"):
        await migrate(settings.model_copy(update={"database_reader_role": "aoh_msr_user"}))


_OLD_HISTORY = """
SELECT ensure_partition('cdc_event', now());
INSERT INTO shard (topic, partition, source, settled_until, last_position) VALUES ('d.s.t', 0, 'd', now(), 2);
INSERT INTO cdc_event (shard_id, position, event_timestamp, op, table_name, entity_id, tenant_id, entity_state)
SELECT shard_id, 1, now(), 'c', 's.t', 'old', 't1', '{}' FROM shard UNION ALL
SELECT shard_id, 2, now(), 'c', 's.t', 'other', 't2', '{}' FROM shard;
"""


async def test_a_history_from_before_the_reading_role_is_answered_through_it(
    server: Postgres, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A local stack of an older version: its databases and its history are there already, the role is not."""
    with server.connect("history") as administrator:
        administrator.execute("DROP OWNED BY aoh_msr_reader; DROP ROLE aoh_msr_reader")
        with monkeypatch.context() as before:
            older = [migration for migration in migrations("postgres") if migration.number < 5]
            before.setattr(store_migrations, "migrations", lambda _: older)
            for step in ("ensure_reader", "let_read"):
                before.setattr(store_migrations, step, _nothing)
            await migrate(settings)
        administrator.execute(f"SET search_path TO {settings.database_schema}")
        administrator.execute(_OLD_HISTORY)
        administrator.execute("RESET search_path")
        with pytest.raises(MigrationError, match="let an administrator of the database run: CREATE ROLE"):
            await migrate(settings)
        assert server.ready()
        made = administrator.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'aoh_msr_reader'").fetchall()
    assert made == [(False,)]
    async with world(settings) as w, _reader(settings) as reader:
        assert [row["entity_id"] for row in await w.state("t1")] == ["old"]
        for name in await _partitions(w):
            with pytest.raises(REFUSED):
                await reader.fetch(f"SELECT FROM {name}")


async def _nothing(*_: object) -> None:
    """There was no reading role then."""
