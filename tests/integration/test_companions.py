"""One answer on several connections: the same answer, in the same snapshot, and nobody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import pytest

from msr_stream.errors import Unavailable
from msr_stream.instants import DAY, now
from msr_stream.recording.progress import Shard
from msr_stream.replay import EventsQuery, StateQuery
from msr_stream.settings import Settings
from msr_stream.store import planning
from msr_stream.store import snapshot as snapshots
from msr_stream.store.companions import GoOn
from msr_stream.store.database import connect_arguments
from msr_stream.store.replay import Replay
from msr_stream.store.sinks import InOrder, Sink
from msr_stream.store.snapshot import Snapshot
from tests.world import EPOCH, TOPIC, World, until, world

PARTITIONS = 4
END = b"events"


@pytest.fixture(autouse=True)
def _everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "_WORTH_SHARING", 0)
    monkeypatch.setattr(planning, "SMALL", 0)
    monkeypatch.setattr(planning, "_LITTLE", 0)
    monkeypatch.setattr(planning, "_MUCH", 20_000)


@asynccontextmanager
async def _recorded(settings: Settings) -> AsyncIterator[World]:
    """Four shards with changes of an hour, settled."""
    async with world(settings) as w:
        await w.own(partitions=PARTITIONS)
        w.settler._lateness = 0
        for number in range(400):
            row = {"id": number % 40, "n": number, "tenant_id": "t1"}
            w.send(row, op="u", shard=Shard(TOPIC, number % PARTITIONS), ts_us=now() - DAY + number // 4 * 9_000_000)
        await w.flushed()
        await until_settled(w)
        yield w


async def until_settled(w: World) -> None:
    """Everything recorded so far is settled."""

    async def ticks() -> None:
        while not await w.fetch("SELECT FROM shard HAVING bool_and(settled_until > last_effective)"):
            await w.settler.tick()

    await asyncio.wait_for(ticks(), 20)


def _replay(w: World, connections: int) -> Replay:
    more = {"replay_connections_per_answer": connections, "replay_patience": 60.0}
    return Replay(w.settings.model_copy(update=more), w.database)


@asynccontextmanager
async def _snapshot(w: World, connections: int) -> AsyncIterator[Snapshot]:
    async with _replay(w, connections).snapshot("t1", None) as snapshot:
        yield snapshot


async def _read(replay: Replay, sink: Sink) -> None:
    """The state and the events of all there is."""
    async with replay.snapshot("t1", None) as snapshot:
        at = snapshot.resolve(None)
        await snapshot.state(StateQuery(at), at, sink)
        await sink(END)
        await snapshot.events(EventsQuery(at - 2 * DAY, at), sink)


async def _transactions(w: World) -> list[Any]:
    """The connections that read an answer."""
    return await w.fetch(
        "SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND xact_start IS NOT NULL",
        f"msr replay {w.settings.worker}",
    )


async def test_an_answer_on_several_connections_is_the_one_on_one(settings: Settings) -> None:
    """States row by row in whichever order, events in the served one."""
    async with _recorded(settings) as w:
        found: dict[int, list[bytes]] = {}
        most: dict[int, int] = {}
        for connections in (1, 3):
            lines, most[connections] = found.setdefault(connections, []), 0

            async def sink(piece: bytes, lines: list[bytes] = lines, connections: int = connections) -> None:
                lines.extend(piece.splitlines())
                most[connections] = max(most[connections], len(await _transactions(w)))

            await _read(_replay(w, connections), sink)
        one, several = found[1], found[3]
        assert one.index(END) == several.index(END) == 40
        assert len(one) == 40 + 1 + 400
        assert sorted(several[:40]) == sorted(one[:40])
        assert several[40:] == one[40:]
        assert most[1] == 1 < most[3]


async def test_a_companion_sees_what_the_answer_sees_and_no_more(settings: Settings) -> None:
    """What is committed after the snapshot was taken, and another tenant's rows, are in neither."""
    async with _recorded(settings) as w:
        seen: dict[int, tuple[int, str]] = {}
        both = asyncio.Barrier(2)

        async def look(connection: Any, _: GoOn) -> None:
            await both.wait()
            row = await connection.fetchrow("SELECT count(*), current_user FROM v_cdc_event")
            seen[connection.get_server_pid()] = row["count"], row["current_user"]

        async with _snapshot(w, 2) as snapshot:
            w.send({"id": 1, "tenant_id": "t1"}, op="u")
            w.send({"id": 1000, "tenant_id": "t2"})
            await w.flushed()
            await snapshot._companions.share(look)
        assert list(seen.values()) == [(400, settings.database_reader_role)] * 2
        async with w.database.replaying() as connection:
            assert await connection.fetchval("SELECT current_user") == settings.database_user
        held = f"SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid::bigint = {EPOCH} & 4294967295"
        assert not await w.fetch(held)


async def test_answers_never_wait_for_a_companion(settings: Settings) -> None:
    """More answers than connections, each of which would have three: all end, with the connections there are."""
    async with _recorded(settings) as w:
        replay, found = _replay(w, 3), [list[bytes]() for _ in range(6)]

        async def answer(lines: list[bytes]) -> None:
            async def sink(piece: bytes) -> None:
                lines.extend(piece.splitlines())

            await _read(replay, sink)

        await asyncio.gather(*(answer(lines) for lines in found))
        assert all(sorted(lines[:40]) == sorted(found[0][:40]) for lines in found)
        assert all(lines[40:] == found[0][40:] for lines in found)
        assert replay.places.free == replay.places.all


async def test_there_are_no_more_turns_than_connections(settings: Settings) -> None:
    """Who has to wait is told so, and not after a while that the database is away."""
    async with _recorded(settings) as w:
        more = {"replay_concurrency": 100, "replay_patience": 0.2}
        replay = Replay(settings.model_copy(update=more), w.database)
        async with AsyncExitStack() as stack:
            for _ in range(replay.places.all):
                await stack.enter_async_context(replay.snapshot("t1", None))
            with pytest.raises(Unavailable, match="too many replays"):
                await stack.enter_async_context(replay.snapshot("t1", None))


async def test_a_companion_steps_back_when_somebody_waits_for_its_connection(settings: Settings) -> None:
    """One of them is enough; the answer goes on with the others."""
    async with _recorded(settings) as w:
        asked = asyncio.Event()
        stepped_back: list[bool] = []

        async def work(connection: Any, go_on: GoOn) -> None:
            if connection is snapshot._connection:
                await asked.wait()
                return
            await until(lambda: not go_on() or asked.is_set(), "somebody waits")
            stepped_back.append(not asked.is_set())

        async def ask() -> None:
            await until(lambda: not replay.places.free, "all connections are taken")
            async with replay.places.one():
                asked.set()

        replay = _replay(w, 100)
        async with replay.snapshot("t1", None) as snapshot:
            await asyncio.gather(snapshot._companions.share(work), ask())
        assert any(stepped_back)


async def test_who_takes_something_out_of_the_history_is_not_waited_for(settings: Settings) -> None:
    """It waits for this answer: a companion that waited for the epoch behind it would never come."""
    async with _recorded(settings) as w:
        eraser = await asyncpg.connect(**connect_arguments(settings))
        await eraser.execute(f"SET search_path TO {settings.database_schema}")
        async with _snapshot(w, 2) as snapshot:
            waiting = asyncio.ensure_future(eraser.execute(f"SELECT pg_advisory_lock({EPOCH}, 1)"))
            waits = "SELECT FROM pg_locks WHERE pid = $1 AND NOT granted"
            async with asyncio.timeout(10):
                while not await w.fetch(waits, eraser.get_server_pid()):
                    pass
            connections: list[Any] = []

            async def work(connection: Any, _: GoOn) -> None:
                connections.append(connection)

            await asyncio.wait_for(snapshot._companions.share(work), 10)
            assert connections == [snapshot._connection]
        await asyncio.wait_for(waiting, 10)
        await eraser.close()


@pytest.mark.parametrize("end", ["fails", "is cancelled"])
async def test_an_answer_that_is_given_up_leaves_no_connection_behind(settings: Settings, end: str) -> None:
    """Whichever of its connections it happens on, all are ended."""
    async with _recorded(settings) as w:
        under_way = asyncio.Event()
        both = asyncio.Barrier(2)
        snapshots: list[Snapshot] = []
        replay = _replay(w, 2)

        async def nowhere(_: bytes) -> None:
            pass

        async def work(connection: Any, _: GoOn) -> None:
            await both.wait()
            under_way.set()
            if end == "fails" and connection is not snapshots[0]._connection:
                raise ConnectionResetError
            await connection.copy_from_query("SELECT generate_series(1, 1000000000)", output=nowhere)

        async def answer() -> None:
            async with replay.snapshot("t1", None) as snapshot:
                snapshots.append(snapshot)
                await snapshot._companions.share(work)

        task = asyncio.ensure_future(answer())
        await asyncio.wait_for(under_way.wait(), 10)
        if end == "is cancelled":
            task.cancel()
        with pytest.raises((ConnectionResetError, asyncio.CancelledError)):
            await asyncio.wait_for(task, 10)
        async with asyncio.timeout(10):
            while await _transactions(w):
                pass
        assert replay.places.free == replay.places.all
        assert len(await w.state("t1")) == 40


async def test_pieces_are_written_in_the_order_of_their_tickets_however_early_they_are_ready() -> None:
    order, written = InOrder(), list[int]()
    ready = [asyncio.Event() for _ in range(3)]

    async def piece(ticket: int) -> None:
        await ready[ticket].wait()
        await order.turn(ticket)
        written.append(ticket)
        await order.end(ticket)

    tasks = [asyncio.ensure_future(piece(order.ticket())) for _ in range(3)]
    for ticket in (2, 1):
        ready[ticket].set()
        await asyncio.wait(tasks, timeout=0.01)
        assert not written
    ready[0].set()
    await asyncio.gather(*tasks)
    assert written == [0, 1, 2]
