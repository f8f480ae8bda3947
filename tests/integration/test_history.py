"""The history database: its schema, and what flushes do to it when things go wrong."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from msr_local.postgres import Postgres

from msr_stream.errors import MigrationError
from msr_stream.instants import DAY, SECOND, now
from msr_stream.recording.progress import Shard
from msr_stream.settings import Settings
from msr_stream.store import queries
from msr_stream.store.database import connect_arguments
from msr_stream.store.migrations import migrate, migrations
from tests.conftest import history_settings, run_postgres, servers, version_of
from tests.world import EPOCH, TOPIC, World, until, world


@pytest.fixture(scope="module", params=servers(), ids=version_of)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """Each PostgreSQL server that this machine has, the wheel's among them."""
    yield from run_postgres(tmp_path_factory.mktemp("postgres"), request.param)


@pytest.fixture
def settings(server: Postgres, tmp_path: Path) -> Settings:
    """Settings of a worker whose history lies in that server."""
    return history_settings(server.port, tmp_path)


async def test_every_table_and_column_has_a_comment(settings: Settings) -> None:
    async with world(settings) as w:
        bare = await w.fetch(
            """SELECT c.relname, a.attname FROM pg_class c
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum >= 0 AND NOT a.attisdropped
            WHERE c.relnamespace = $1::text::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
              AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)""",
            settings.database_schema,
        )
    assert [tuple(row) for row in bare] == []


async def test_two_workers_may_prepare_the_schema_at_once(settings: Settings) -> None:
    await asyncio.gather(migrate(settings), migrate(settings), migrate(settings))
    async with world(settings) as w:
        found = await w.fetch("SELECT value FROM module_info WHERE key = 'schema_version'")
    assert found[0]["value"] == str(migrations("postgres")[-1].number)


async def test_a_schema_from_the_future_is_refused(settings: Settings) -> None:
    await migrate(settings)
    connection = await asyncpg.connect(**connect_arguments(settings))
    await connection.execute(f"UPDATE {settings.database_schema}.module_info SET value = '9999'")
    await connection.close()
    with pytest.raises(MigrationError, match=r"is at version 9999, this program knows up to \d+: use the newer"):
        await migrate(settings)


async def test_events_of_any_time_find_a_partition(settings: Settings) -> None:
    """Old history costs a partition a year, recent history one a day, and none is missing."""
    moments = [0, 40 * DAY, 500 * DAY, now() - 400 * DAY, now() - 3 * DAY, now() - DAY, now() - SECOND]
    async with world(settings) as w:
        await w.own()
        for number, moment in enumerate(moments):
            w.send({"id": number}, ts_us=moment)
        await w.flushed()
        kept = await w.fetch("SELECT event_timestamp FROM cdc_event ORDER BY position")
        partitions = await w.fetch("SELECT name FROM history_partition WHERE parent = 'cdc_event'")
    assert [row["event_timestamp"] for row in kept] == moments
    names = {row["name"] for row in partitions}
    assert {"cdc_event_1970", "cdc_event_1971"} <= names
    assert len(names) <= 2 + 4 * 3


async def test_a_worker_that_froze_with_the_lock_loses_it(settings: Settings) -> None:
    """Invariant 9: whoever waits for a frozen holder ends the holder's connection, and records."""
    async with world(settings) as w:
        await w.own()
        await w.flushed()
        frozen = await asyncpg.connect(
            **connect_arguments(settings),
            server_settings={"search_path": settings.database_schema, "application_name": "msr recorder frozen"},
        )
        await frozen.execute("BEGIN; UPDATE shard SET version = version")
        w.send({"id": 1})
        await w.flushed()
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await frozen.execute("COMMIT")
        assert len(await w.fetch("SELECT FROM cdc_event")) == 1


async def test_two_owners_of_a_shard_record_it_once(settings: Settings) -> None:
    async with world(settings, run_length=3) as first, world(settings, first.broker, run_length=7) as second:
        await first.own()
        await second.own()
        for number in range(2000):
            first.send({"id": number % 10, "n": number}, op="u" if number >= 10 else "c")
        await first.flushed()
        await second.flushed()
        kept = await first.fetch(
            "SELECT position, (entity_state::json ->> 'n')::int AS n FROM cdc_event ORDER BY position"
        )
    assert [(row["position"], row["n"]) for row in kept] == [(n + 1, n) for n in range(2000)]


async def test_a_record_the_database_refuses_is_kept_as_a_dead_letter(settings: Settings, tmp_path: Path) -> None:
    """A key too long for an index; the run it came in is recorded all the same."""
    long_key = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=9000))
    async with world(settings) as w:
        await w.own()
        for number in range(20):
            w.send({"id": long_key if number == 11 else number})
        await w.flushed()
        letters = await w.fetch("SELECT record_offset, code, published_at FROM dead_letter")
        kept = await w.fetch("SELECT entity_id FROM cdc_event ORDER BY position")
        sent = w.broker.sent
    assert [(row["record_offset"], row["code"]) for row in letters] == [(11, "REFUSED_BY_DATABASE")]
    assert [row["entity_id"] for row in kept] == [str(number) for number in range(20) if number != 11]
    headers = dict(sent[0][3])
    assert sent[0][0] == settings.dead_letter_topic
    assert headers["msr.code"] == b"REFUSED_BY_DATABASE"
    assert (headers["msr.topic"], headers["msr.offset"]) == (b"d.s.t", b"11")


@pytest.mark.parametrize("records", [3, 5, 8], ids=["shorter", "as long", "longer"])
async def test_a_topic_made_anew_under_a_running_worker_is_read_from_its_beginning(
    settings: Settings, records: int
) -> None:
    """Whatever the new log holds: its id is another one, and nothing of it is taken for the old one's continuation."""
    async with world(settings) as w:
        await w.own()
        for number in range(5):
            w.send({"id": number})
        await w.flushed()
        w.broker.make_anew(TOPIC)
        for number in range(records):
            w.send({"id": 100 + number})
        await w.settler.tick()  # as a worker does that looks for topics again and again
        await w.flushed()
        kept = await w.fetch("SELECT entity_id FROM cdc_event ORDER BY position")
        reasons = await w.fetch("SELECT reason FROM coverage WHERE reason IS NOT NULL")
    assert [row["entity_id"] for row in kept] == [str(n) for n in [*range(5), *range(100, 100 + records)]]
    assert ["topic made anew" in row["reason"] for row in reasons] == [True]
    assert [topic for topic, *_ in w.broker.sent] == [settings.signal_topic]


async def test_a_table_name_belongs_to_one_source(settings: Settings) -> None:
    async with world(settings) as w:
        await w.own()
        w.send({"id": 1})
        await w.flushed()
        await w.own("other.s.t")
        w.send({"id": 2}, shard=Shard("other.s.t", 0))
        stopped: list[str] = []
        while not stopped:
            found = await w.fetch("SELECT stopped FROM shard WHERE topic = 'other.s.t' AND stopped IS NOT NULL")
            stopped = [row["stopped"] for row in found]
            await asyncio.sleep(0.02)
        assert "SOURCE_PREFIXES" in stopped[0]
        assert [row["entity_id"] for row in await w.fetch("SELECT entity_id FROM cdc_event")] == ["1"]


async def test_whoever_changes_the_history_waits_for_its_readers(settings: Settings) -> None:
    """Invariant 14: a reader holds the epoch it reads in; the next reader holds the next one and does not wait."""
    async with world(settings) as w:
        await w.own()
        w.send({"id": 1})
        await w.flushed()
        await w.settler.tick()
        eraser = await asyncpg.connect(
            **connect_arguments(settings), server_settings={"search_path": settings.database_schema}
        )
        async with w.replay.snapshot("t1", None):
            await eraser.execute("UPDATE history_epoch SET epoch = epoch + 1")
            waiting = asyncio.ensure_future(eraser.execute(f"SELECT pg_advisory_lock({EPOCH}, 1)"))
            await _waits_for_lock(w, eraser.get_server_pid())
            async with w.replay.snapshot("t1", None):
                assert not waiting.done()
        await asyncio.wait_for(waiting, 60)
        await eraser.close()


#: What writes several shards at once, with its parameters where the shards are 1 to 4; and what somebody else may write
#: meanwhile so that it leaves a shard alone.
_SEVERAL: dict[tuple[str, str], tuple[tuple[Any, ...], str]] = {
    ("settling", "settle"): (([4, 3, 2, 1], [0] * 4, [SECOND] * 4), "version = version + 1"),
    ("settling", "silence"): ((-60.0,), "live = false"),
    ("settling", "topics_gone"): (([],), "live = false"),
    ("recording", "stop_topic"): ((TOPIC, "a reason"), "stopped = 'a reason'"),
    ("retention", "settle_shards"): ((SECOND, [4, 3, 2, 1]), "settled_until = now()"),
    ("retention", "erase_shards"): (("s.t", "1"), "topic = 'd.s.u'"),
}


@pytest.mark.parametrize(("file", "name"), _SEVERAL, ids=str)
async def test_who_writes_several_shards_holds_them_in_their_order(settings: Settings, file: str, name: str) -> None:
    """Of two that begin with each other's last shard one would be ended: here all begin with the first one."""
    parameters, elsewhere = _SEVERAL[file, name]
    async with world(settings) as w, w.database.recording() as holder:
        await w.recorder.history.register(TOPIC, "d", 4)
        await w.fetch("INSERT INTO source (source, marker_at, heard_at) VALUES ('d', now(), now())")
        await w.fetch("INSERT INTO source_table (table_name, source, topic) VALUES ('s.t', 'd', $1)", TOPIC)
        for shard_id in (4, 3, 2, 1):  # so do their rows lie: new versions come last
            await w.fetch("UPDATE shard SET live = true WHERE shard_id = $1", shard_id)
        async with w.database.recording() as several:
            # Without indexes it comes to the rows as they lie.
            await several.execute("SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_seqscan = on")
            holding = holder.transaction()
            await holding.start()
            await holder.execute(f"UPDATE shard SET {elsewhere} WHERE shard_id = 1")
            writing = asyncio.ensure_future(several.execute(queries.load(file)[name], *parameters))
            await _waits_for_lock(w, several.get_server_pid())
            await holder.execute("SELECT FROM shard FOR UPDATE NOWAIT")
            await holding.commit()
            assert await writing == "UPDATE 3"


async def _waits_for_lock(w: World, pid: int) -> None:
    """Wait until a connection waits for a lock."""
    state = None
    for _ in range(6000):
        state = (await w.fetch("SELECT wait_event_type FROM pg_stat_activity WHERE pid = $1", pid))[0][0]
        if state == "Lock":
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"connection {pid} waits for {state}, not for a lock")


async def test_a_silent_source_holds_nobody_up_and_is_named(settings: Settings) -> None:
    """Invariant 10: its tables are named as incomplete beyond what it has settled, and it lives again when back."""
    async with world(settings) as w:
        await w.own()
        await w.own("quiet.s.q")
        w.settler._lateness = 0
        w.send({"id": 1})
        w.send({"id": 1}, shard=Shard("quiet.s.q", 0))
        await w.flushed()
        await w.settler.tick()
        await w.fetch("INSERT INTO source VALUES ('quiet', to_timestamp(0), to_timestamp(0))")
        assert [source for source, _, _ in await w.settled.silence(60)] == ["quiet"]
        before = now()
        await until(lambda: now() > before + SECOND, "a second is over")
        await w.settler.tick()
        async with w.replay.snapshot("t1", None) as snapshot:
            at = snapshot.resolve(None)
            assert at > before
            assert await snapshot.incomplete(at) == ["s.q"]
        await w.fetch("UPDATE source SET marker_at = now() + interval '1 second', heard_at = now()")
        await w.settler.tick()
        async with w.replay.snapshot("t1", None) as snapshot:
            assert await snapshot.incomplete(snapshot.resolve(None)) == []


async def test_a_changed_key_waits_for_a_shard_that_has_recorded_nothing_yet(settings: Settings) -> None:
    """The delete under the old key may lie in a partition nobody has read so far: only then are values unknown."""
    async with world(settings) as w:
        await w.own(partitions=2)
        moved = {"id": 2, "body": "__debezium_unavailable_value"}
        w.send(moved, shard=Shard("d.s.t", 0), lsn=50, txid=7, sequence='["40", "50"]', old_key={"id": 1})
        waiting = w.recorder.shards[Shard("d.s.t", 0)]
        await until(waiting.lock.locked, "it waits")
        w.send({"id": 1, "body": "long"}, shard=Shard("d.s.t", 1), lsn=30, sequence='["20", "30"]')
        w.send({"id": 1}, op="d", shard=Shard("d.s.t", 1), lsn=50, txid=7, sequence='["40", "50"]')
        await w.flushed()
        kept = await w.fetch("SELECT entity_state, unavailable_fields FROM cdc_event WHERE entity_id = '2'")
    assert [tuple(row) for row in kept] == [('{"id":2,"body":"long"}', None)]
