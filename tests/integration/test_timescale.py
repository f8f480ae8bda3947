"""Both dialects of the history give the same answers, and shut the same doors.

TimescaleDB is the real extension in a server that serves one client at a time and takes no COPY: these tests fill the
history by INSERT, one connection after the other. Concurrency and COPY are not tested on it.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import asyncpg
import psycopg
import pytest
from msr_local.errors import LocalError
from msr_local.ports import Ports
from msr_local.stack import DEFAULT_ROOT
from msr_local.timescale import DATABASE, Distribution, Timescale, find_program

from msr_stream import instants
from msr_stream.errors import MigrationError, Unavailable
from msr_stream.instants import DAY, now
from msr_stream.replay import DiffQuery, EventsQuery, StateQuery
from msr_stream.settings import Settings
from msr_stream.store import activity, dialect
from msr_stream.store.clip_replay import ClipReplay
from msr_stream.store.clips import KeptClip
from msr_stream.store.database import Database, connect_arguments
from msr_stream.store.diff import diff
from msr_stream.store.migrations import migrate, migrations
from msr_stream.store.replay import Replay
from tests.conftest import history_settings, run
from tests.unit.building import NOON

REFUSED = asyncpg.InsufficientPrivilegeError
VIEWS = ("v_cdc_event", "v_keyframe", "v_activity", "v_activity_total")
#: Days ago of which there are events, oldest first.
DAYS = (5, 4, 3, 2, 0)


@pytest.fixture(scope="session")
def timescale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Timescale]:
    """The server with TimescaleDB, one for all tests."""
    try:
        find_program("node")
    except LocalError as error:
        pytest.skip(str(error))
    distribution = Distribution(DEFAULT_ROOT / "timescale")
    distribution.fetch()
    yield from run(Timescale(tmp_path_factory.mktemp("timescale"), Ports.unused().postgres, distribution))


class Place(NamedTuple):
    """Where a history lies, and in which dialect."""

    settings: Settings
    name: str


@pytest.fixture(params=["postgres", "timescale"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A new schema on each server."""
    server = request.getfixturevalue(request.param)
    settings = history_settings(server.port, tmp_path)
    if request.param == "timescale":
        settings = settings.model_copy(update={"database_name": DATABASE})
    yield Place(settings, request.param)
    if isinstance(server, Timescale):
        try:
            with server.connect() as administrator:
                administrator.execute(f"DROP SCHEMA IF EXISTS {settings.database_schema} CASCADE".encode())
        except psycopg.Error:  # it has wedged: it begins anew, empty
            server.restart()


only_timescale = pytest.mark.parametrize("place", ["timescale"], indirect=True)


@asynccontextmanager
async def _connected(settings: Settings, *, reader: bool = False) -> AsyncIterator[Any]:
    """A connection as the owner, or as the reading role."""
    connection = await asyncpg.connect(
        **connect_arguments(settings), server_settings={"search_path": settings.database_schema}
    )
    try:
        if reader:
            await connection.execute(f"SET ROLE {settings.database_reader_role}")
        yield connection
    finally:
        await connection.close()


async def _fill(settings: Settings) -> None:
    """Five days of two tenants' entities and a shared one: each is updated on each day, one is deleted at the end."""
    noon = now() // DAY * DAY - DAY // 2
    async with _connected(settings) as c:
        await c.execute(
            """INSERT INTO shard (topic, partition, source, settled_until, last_position, last_effective)
            VALUES ('d.s.t', 0, 'd', now(), $1, to_timestamp($2::float8 / 1e6))""",
            5 * len(DAYS), noon,
        )  # fmt: skip
        position = 0
        for day in DAYS:
            at = noon - day * DAY
            for parent in ("cdc_event", "keyframe"):
                await c.execute("SELECT ensure_partition($1, to_timestamp($2::float8 / 1e6))", parent, at)
            for entity, tenant in (("a", "t1"), ("b", "t2"), ("n", ""), ("s", None), ("gone", "t1")):
                position += 1
                op = "d" if entity == "gone" and day == 0 else "u"
                await c.execute(
                    """INSERT INTO cdc_event (shard_id, position, event_timestamp, op, table_name, entity_id, tenant_id,
                    entity_state) VALUES (1, $1, to_timestamp($2::float8 / 1e6), $3, 's.t', $4, $5, $6)""",
                    position, at, op, entity, tenant, json.dumps({"day": day}),
                )  # fmt: skip
        await c.execute(
            """INSERT INTO keyframe SELECT 1, event_timestamp, shard_id, position, event_timestamp, source_timestamp,
            op, table_name, entity_id, tenant_id, entity_state, unavailable_fields FROM cdc_event"""
        )
        await c.execute(
            """INSERT INTO activity SELECT shard_id, date_bin('1 minute', event_timestamp, 'epoch'), table_name,
            tenant_id, op, count(*) FROM cdc_event GROUP BY 1, 2, 3, 4, 5"""
        )


async def _answers(settings: Settings, tenant: str) -> list[list[tuple[str, str, int]]]:
    """The states of every day and all events, as (entity, operation, day of its value)."""
    found = []
    noon = now() // DAY * DAY - DAY // 2
    database = Database(settings)
    await database.open()
    try:
        replay = Replay(settings, database)
        for day in DAYS:
            async with replay.snapshot(tenant, noon - day * DAY) as snapshot:
                pieces: list[bytes] = []
                await snapshot.state(StateQuery(None), noon - day * DAY, _into(pieces))
                found.append(_rows(pieces))
        async with replay.snapshot(tenant, noon) as snapshot:
            pieces = []
            await snapshot.events(EventsQuery(noon - 30 * DAY, noon), _into(pieces))
            found.append(_rows(pieces))
    finally:
        await database.close()
    return found


def _into(pieces: list[bytes]) -> Any:
    async def sink(piece: bytes) -> None:
        pieces.append(piece)

    return sink


def _rows(pieces: list[bytes]) -> list[tuple[str, str, int]]:
    rows = json.loads(b"[" + b"".join(pieces)[1:] + b"]")
    return [(row["entity_id"], row["op"], row["entity_state"]["day"]) for row in rows]


def _expected(tenant: str) -> list[list[tuple[str, str, int]]]:
    own = {"t1": "a", "t2": "b"}[tenant]
    gone = ["gone"] if tenant == "t1" else []
    states = [[(entity, "u", day) for entity in sorted([own, "s", *(gone if day else [])])] for day in DAYS]
    events = [
        (entity, "d" if (entity, day) == ("gone", 0) else "u", day) for day in DAYS for entity in (own, "s", *gone)
    ]
    return [*states, events]


def test_both_dialects_are_of_one_version() -> None:
    """A check from outside names the newest version without knowing the dialect."""
    assert migrations("postgres")[-1].number == migrations("timescale")[-1].number


async def test_a_new_schema_is_in_the_servers_dialect_and_a_second_start_changes_nothing(place: Place) -> None:
    assert [(await migrate(place.settings)).name for _ in range(2)] == [place.name] * 2
    async with _connected(place.settings) as c:
        assert await c.fetchval("SELECT value FROM module_info WHERE key = 'dialect'") == place.name
        kinds = await c.fetch(
            """SELECT relkind = 'p' AS partitioned FROM pg_class WHERE relname IN ('cdc_event', 'keyframe')
            AND relnamespace = $1::text::regnamespace""",
            place.settings.database_schema,
        )
        assert [row["partitioned"] for row in kinds] == [place.name == "postgres"] * 2
        if place.name == "timescale":
            tables = await c.fetch(
                """SELECT hypertable_name::text AS name, compression_enabled FROM timescaledb_information.hypertables
                WHERE hypertable_schema = $1""",
                place.settings.database_schema,
            )
            assert {(row["name"], row["compression_enabled"]) for row in tables} == {
                ("cdc_event", True), ("keyframe", True),
            }  # fmt: skip


@only_timescale
async def test_a_schema_stays_in_the_dialect_it_was_made_in(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """TimescaleDB that comes to the server later does not change what is there; nor one too old, or not loaded."""
    with monkeypatch.context() as before:
        before.setattr(dialect, "OLDEST", (99, 0))
        assert (await migrate(place.settings)).name == "postgres"
    assert (await migrate(place.settings)).name == "postgres"
    await _fill(place.settings)
    assert await _answers(place.settings, "t1") == _expected("t1")


async def test_compressed_history_gives_the_same_answers(place: Place) -> None:
    made = await migrate(place.settings)
    await _fill(place.settings)
    for tenant in ("t1", "t2"):
        assert await _answers(place.settings, tenant) == _expected(tenant)
    compressed = await made.compress(place.settings)
    assert len(compressed) == (2 * 4 if place.name == "timescale" else 0)
    assert await made.compress(place.settings) == []
    for tenant in ("t1", "t2"):
        assert await _answers(place.settings, tenant) == _expected(tenant)


async def test_activity_tables_and_differences_are_the_same_before_and_after_compression(place: Place) -> None:
    """Counted from days to single events, and read of the entities that changed, in either dialect."""
    made = await migrate(place.settings)
    await _fill(place.settings)
    async with _connected(place.settings) as c:
        await c.execute(
            """INSERT INTO source_table (table_name, source, topic, first_recorded_at)
            VALUES ('s.t', 'd', 'd.s.t', now())"""
        )
    found = await _browsed(place.settings, "t1")
    assert found["counted"] == {
        1: 9,
        400: 9,
    }  # three entities on three days: what happened at the start is not after it
    assert found["tables"] == [("s.t", 15)]
    assert found["diff"] == [("a", "changed"), ("gone", "deleted"), ("s", "changed")]
    await made.compress(place.settings)
    assert await _browsed(place.settings, "t1") == found


async def _browsed(settings: Settings, tenant: str) -> dict[str, Any]:
    """Changes in a window of four days, the tables, and what differs between its start and its end."""
    noon = now() // DAY * DAY - DAY // 2
    start, pieces = noon - 4 * DAY, list[bytes]()
    database = Database(settings)
    await database.open()
    try:
        async with Replay(settings, database).snapshot(tenant, noon) as snapshot:
            counted = {}
            for buckets in (1, 400):
                answer = await activity.activity(snapshot, start, noon, buckets)
                counted[buckets] = sum(bucket["changes"] for bucket in answer["buckets"])
            tables = await activity.tables(snapshot, noon)
            await diff(snapshot, DiffQuery(start, noon), _into(pieces))
    finally:
        await database.close()
    differing = json.loads(b"[" + b"".join(pieces)[1:] + b"]")
    return {
        "counted": counted,
        "tables": [(table["table_name"], table["changes"]) for table in tables],
        "diff": [(one["entity_id"], one["change"]) for one in differing],
    }


@only_timescale
async def test_what_is_not_old_enough_or_not_settled_is_not_compressed(place: Place) -> None:
    """An administrator's age is in force at the next turn; a chunk to which events may still come waits."""
    made = await migrate(place.settings)
    await _fill(place.settings)
    age = """INSERT INTO configuration (key, value) VALUES ('columnstore_compression_age_days', $1)
        ON CONFLICT (key) DO UPDATE SET value = excluded.value"""
    for days, settled, expected in (("100", "now()", 0), ("4", "now()", 2 * 2), ("1", "now() - interval '60 days'", 0)):
        async with _connected(place.settings) as c:
            await c.execute(age, days)
            await c.execute(f"UPDATE shard SET settled_until = {settled}")
        assert len(await made.compress(place.settings)) == expected


async def test_chunks_beyond_the_bounds_are_not_read(place: Place) -> None:
    """With literals in the statement the planner leaves out partitions and chunks, also below the reader's view."""
    await migrate(place.settings)
    await _fill(place.settings)
    end = now() // DAY * DAY - 3 * DAY - DAY // 4
    window = f"event_timestamp > '{instants.render(end - DAY // 2)}' AND event_timestamp <= '{instants.render(end)}'"
    async with _connected(place.settings, reader=True) as c:
        await c.execute("SET msr.tenant TO 't1'")
        found = await c.fetch(f"EXPLAIN (COSTS OFF) SELECT * FROM v_cdc_event WHERE shard_id = 1 AND {window}")
    plan = "\n".join(row[0] for row in found)
    assert len(set(re.findall(r"on (_hyper_\d+_\d+_chunk|cdc_event_\d{8})", plan))) == 1, plan


async def test_old_history_is_dropped_whole(place: Place) -> None:
    """The same call in both dialects: what ends at or before the instant goes, what is later stays."""
    made = await migrate(place.settings)
    await _fill(place.settings)
    await made.compress(place.settings)
    cut = now() // DAY * DAY - 3 * DAY
    async with _connected(place.settings) as c:
        drop = "SELECT drop_history_before($1, to_timestamp($2::float8 / 1e6))"
        assert [await c.fetchval(drop, parent, cut) for parent in ("cdc_event", "keyframe")] == [3, 3]
        assert await c.fetchval(drop, "cdc_event", cut) == 0
        assert await c.fetchval("SELECT count(*) FROM cdc_event") == 5 * 2
        assert await c.fetchval("SELECT count(*) FROM keyframe") == 5 * 2


async def test_nobody_reads_past_the_views(place: Place) -> None:
    """A tenant's rows and shared ones; without a tenant none; no table, partition, chunk or compressed chunk."""
    made = await migrate(place.settings)
    await _fill(place.settings)
    await made.compress(place.settings)
    async with _connected(place.settings) as c:
        closed = {"cdc_event", "keyframe", "activity"}
        if place.name == "timescale":
            for row in await c.fetch("SELECT chunk, columnstore FROM history_chunk"):
                closed |= {row["chunk"], row["columnstore"]} - {None}
        else:
            closed |= {row["name"] for row in await c.fetch("SELECT name FROM history_partition")}
    assert len(closed) == (3 + 10 + 8 if place.name == "timescale" else 3 + 10)
    async with _connected(place.settings, reader=True) as c:
        for name in sorted(closed):
            with pytest.raises(REFUSED):
                await c.fetch(f"SELECT FROM {name}")
        for view in VIEWS:
            assert await c.fetchval(f"SELECT count(*) FROM {view}") == 0
            for tenant, others in (("t1", {"t1", None}), ("t2", {"t2", None})):
                await c.execute("SELECT set_config('msr.tenant', $1, false)", tenant)
                found = await c.fetch(f"SELECT DISTINCT tenant_id FROM {view}")
                assert {row["tenant_id"] for row in found} == others
            await c.execute("SET msr.tenant TO ''")


@only_timescale
async def test_default_privileges_open_no_chunk_and_a_grant_stops_the_start(place: Place, timescale: Timescale) -> None:
    made = await migrate(place.settings)
    with timescale.connect() as administrator:
        for role in ("postgres", "aoh_msr_user"):
            administrator.execute(f"ALTER DEFAULT PRIVILEGES FOR ROLE {role} GRANT ALL ON TABLES TO PUBLIC".encode())
    try:
        await _fill(place.settings)
        await made.compress(place.settings)
        await migrate(place.settings)
    finally:
        with timescale.connect() as administrator:
            for role in ("postgres", "aoh_msr_user"):
                administrator.execute(
                    f"ALTER DEFAULT PRIVILEGES FOR ROLE {role} REVOKE ALL ON TABLES FROM PUBLIC".encode()
                )
    async with _connected(place.settings) as c:
        row = await c.fetchrow("SELECT chunk, columnstore FROM history_chunk WHERE compressed LIMIT 1")
        for chunk in row:
            await c.execute(f"GRANT SELECT ON {chunk} TO PUBLIC")
    with pytest.raises(MigrationError, match="has rights it must not have, on the chunks _timescaledb_internal"):
        await migrate(place.settings)


@only_timescale
async def test_how_much_a_chunk_holds_may_change_at_a_start(place: Place) -> None:
    intervals = []
    for seconds in (86400.0, 7200.0):
        await migrate(place.settings.model_copy(update={"chunk_interval": seconds}))
        async with _connected(place.settings) as c:
            found = await c.fetch(
                "SELECT time_interval FROM timescaledb_information.dimensions WHERE hypertable_schema = $1",
                place.settings.database_schema,
            )
        intervals.append({row["time_interval"].total_seconds() for row in found})
    assert intervals == [{86400.0}, {7200.0}]


async def test_a_clip_is_read_alike_in_both_dialects(place: Place) -> None:
    """It lies in a plain table; the reading role sees its tenant's alone."""
    await migrate(place.settings)
    clip = KeptClip(uuid4(), "t1", NOON, NOON + 2, ())
    async with _connected(place.settings) as c:
        await c.execute(
            f"""INSERT INTO clip SELECT '{clip.clip_id}', 'c', 't1', at, at + interval '2us', at, '{{}}', '{{}}',
            1, 1, at, 'u' FROM to_timestamp({NOON // 1_000_000}) at;
            INSERT INTO clip_event SELECT clip_id, n, start_timestamp + (n - 1) * interval '1us', NULL, 'u',
            's.t', 'a', 't1', format('{{"day":%s}}', n), NULL FROM clip, generate_series(1, 2) n"""
        )
    database = Database(place.settings)
    await database.open()
    try:
        replay = ClipReplay(place.settings, database)
        pieces: list[bytes] = []
        async with replay.snapshot(clip) as snapshot:
            await snapshot.state(StateQuery(None), NOON, _into(pieces))
            await snapshot.state(StateQuery(None), NOON + 2, _into(pieces))
            await snapshot.events(EventsQuery(NOON, NOON + 2), _into(pieces))
        with pytest.raises(Unavailable):
            async with replay.snapshot(replace(clip, tenant="t2")):
                pass
    finally:
        await database.close()
    assert _rows(pieces) == [("a", "u", 1), ("a", "u", 2), ("a", "u", 2)]
