"""The live tail on a real PostgreSQL: each event once, whoever was silent, in little memory and few steps."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from aiohttp import ClientError

from msr_stream.identity import Caller
from msr_stream.instants import DAY, HOUR, SECOND, now, parse, render
from msr_stream.recording.progress import Shard
from msr_stream.sessions import command as c
from msr_stream.sessions.command import command
from msr_stream.settings import Settings
from tests.integration.test_retention import settle
from tests.site import Client, known, site
from tests.world import World, until, world
from web import live, stream

#: `request["correlation_id"]` is short and known to every module of `web`.
pytestmark = pytest.mark.filterwarnings("ignore::aiohttp.web_exceptions.NotAppKeyWarning")
QUIET = Shard("quiet.s.q", 0)
Headers = dict[str, str]


class Frame(NamedTuple):
    """One event of the stream."""

    name: str
    id: str
    data: dict[str, Any]

    @property
    def entity(self) -> str | None:
        """Which entity it is about."""
        return self.data.get("entity_id")


async def frames(client: Client, headers: Headers, since: int, last: str = "") -> AsyncIterator[Frame]:
    """What a listener gets, until the stream ends."""
    asked = headers | ({"Last-Event-ID": last} if last else {})
    async with client.get("/replay/live", headers=asked, params={"since": render(since)}) as answer:
        assert answer.status == 200, await answer.text()
        fields: dict[str, str] = {}
        async for raw in answer.content:
            key, _, value = raw.decode().rstrip("\n").partition(": ")
            if key:
                fields[key] = value
            elif "data" in fields:
                yield Frame(fields["event"], fields["id"], json.loads(fields["data"]))
                fields = {}


async def hear(
    client: Client, headers: Headers, since: int, enough: Callable[[Frame], bool], last: str = ""
) -> list[Frame]:
    """What a listener gets up to a frame that is enough."""
    found = []
    async with asyncio.timeout(20):
        async for frame in frames(client, headers, since, last):
            found.append(frame)
            if enough(frame):
                break
    return found


def told(instant: int) -> Callable[[Frame], bool]:
    """Whether a frame says that everything up to an instant is told."""
    return lambda frame: frame.name == "settled" and parse(frame.data["settled_until"]) >= instant


def changes(found: list[Frame]) -> list[Frame]:
    return [frame for frame in found if frame.name == "change"]


async def test_a_long_quiet_past_is_caught_up_in_few_steps(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window grows where little is found: six days are no hundred thousand round trips."""
    async with (
        world(known(settings, tmp_path)) as w,
        site(w.settings, tmp_path, live.ROUTES) as (client, alice, runtime),
    ):
        await w.own()
        begun = now() - 6 * DAY
        for number, at in enumerate((begun + 1, begun + 3 * DAY, now() - HOUR)):
            w.send({"id": number, "tenant_id": "t1"}, ts_us=at)
        await w.flushed()
        settled = await settle(w)
        opened = 0
        snapshot = runtime.replay.snapshot

        def counted(*arguments: Any) -> Any:
            nonlocal opened
            opened += 1
            return snapshot(*arguments)

        monkeypatch.setattr(runtime.replay, "snapshot", counted)
        found = await hear(client, alice, begun, told(settled))
        assert [frame.entity for frame in changes(found)] == ["0", "1", "2"]
        assert opened < 20


async def filled(w: World, number: int) -> int:
    """A world with so many events of 2 KB, 10 us apart; returns the instant after which they are."""
    await w.own()
    w.send({"id": 0, "tenant_id": "t1"})
    await w.flushed()
    begun = await settle(w)
    await w.fetch(
        """INSERT INTO cdc_event
            (shard_id, position, event_timestamp, op, table_name, entity_id, tenant_id, entity_state)
        SELECT 1, 1 + n, $1::timestamptz + n * interval '10 us', 'u', 's.t', '0', 't1',
               '{"id":0,"text":"' || repeat('x', 2000) || '"}' FROM generate_series(1, $2::int) n""",
        begun, number,
    )  # fmt: skip
    await w.fetch("UPDATE shard SET last_effective = $1, last_position = $2", begun + SECOND, number + 1)
    await w.fetch("UPDATE shard SET settled_until = $1", begun + SECOND)
    return begun


async def test_memory_does_not_grow_with_what_is_told(settings: Settings, tmp_path: Path) -> None:
    """Fifty megabytes of one second go through a worker, and a client beside it, in a fraction of them."""
    async with world(known(settings, tmp_path)) as w, site(w.settings, tmp_path, live.ROUTES) as (client, alice, _):
        begun = await filled(w, number := 25_000)
        tracemalloc.start()
        try:
            counted, size = 0, 0
            async with asyncio.timeout(120):
                async for frame in frames(client, alice, begun):
                    if frame.name == "settled":
                        break
                    counted, size = counted + 1, size + len(frame.data["entity_state"]["text"])
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (counted, size) == (number, number * 2000)
        assert peak < 16 << 20


async def test_a_reader_that_takes_nothing_is_cut_and_goes_on_where_it_was(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps no turn for long, and no event is lost between two of its connections."""
    monkeypatch.setattr(stream, "_STALL", 0.3)
    async with world(known(settings, tmp_path)) as w, site(w.settings, tmp_path, live.ROUTES) as (client, alice, _):
        begun = await filled(w, number := 25_000)
        heard: list[Frame] = []

        async def listen() -> None:
            async for frame in frames(client, alice, begun):
                heard.append(frame)
                if len(heard) == 1:
                    await asyncio.sleep(3)  # so long it takes nothing

        async with asyncio.timeout(60):
            with pytest.raises(ClientError):
                await listen()
            assert 0 < len(heard) < number
            heard += await hear(client, alice, begun, told(begun + SECOND), heard[-1].id)
        assert [frame.data["event_timestamp"] for frame in changes(heard)] == [
            render(begun + 10 * n) for n in range(1, number + 1)
        ]


async def test_who_listens_is_seen_as_long_as_the_stream_is_open(settings: Settings, tmp_path: Path) -> None:
    """Not only at its start; once the session has ended, so does a stream that names it."""
    given = known(settings, tmp_path, session_timeout=2.0)
    async with world(given) as w, site(given, tmp_path, live.ROUTES) as (client, alice, runtime):
        await w.own()
        w.send({"id": 1, "tenant_id": "t1"})
        await w.flushed()
        await settle(w)
        caller: Caller = await runtime.verifier.verify(alice["Authorization"])
        session = await runtime.sessions.create(command(caller, uuid4(), c.Create()))
        begun = asyncio.Event()

        async def listen(headers: Headers) -> None:
            async for _ in frames(client, headers, now() - HOUR):
                begun.set()

        async with asyncio.timeout(20):
            listening = asyncio.create_task(listen(alice))
            seen: set[int] = set()
            while len(seen) < 4:
                seen.add((await w.fetch("SELECT last_seen_at FROM session"))[0][0])
                await asyncio.sleep(0.02)
            listening.cancel()
            begun.clear()
            named = asyncio.create_task(listen(alice | {"X-Session-ID": str(session.id)}))
            await begun.wait()
            await w.fetch("UPDATE session SET status = 'INACTIVE', ended_reason = 'terminated'")
            await named  # it ends


@pytest.fixture
async def silent(settings: Settings, tmp_path: Path) -> AsyncIterator[tuple[World, Client, Headers, int, int]]:
    """Two sources, of which one has fallen silent: from when on they may be heard, and S, which is beyond that one."""
    given = known(settings, tmp_path)
    async with world(given) as w, site(given, tmp_path, live.ROUTES) as (client, alice, _):
        await w.own()
        await w.own(QUIET.topic)
        begun = now() - SECOND
        w.send({"id": "a1", "tenant_id": "t1"})
        w.send({"id": "q1", "tenant_id": "t1"}, shard=QUIET)
        await w.flushed()
        await settle(w)
        await w.fetch("INSERT INTO source VALUES ('quiet', to_timestamp(0), to_timestamp(0))")
        assert [source for source, _, _ in await w.settled.silence(60)] == ["quiet"]
        w.send({"id": "a2", "tenant_id": "t1"})
        await w.flushed()
        yield w, client, alice, begun, await settle(w)


async def come_back(w: World, *late: int) -> int:
    """The silent source sends what happened meanwhile, and is heard again; S then."""
    for number, at in enumerate(late, start=2):
        w.send({"id": f"q{number}", "tenant_id": "t1"}, shard=QUIET, ts_us=at)
    await w.flushed()
    await w.fetch("UPDATE source SET marker_at = now() + interval '1 minute', heard_at = now()")
    w.send({"id": "a3", "tenant_id": "t1"})
    await w.flushed()
    settled = await settle(w)
    assert [row["live"] for row in await w.fetch("SELECT live FROM shard")] == [True, True]
    return settled


async def _own_settled(w: World) -> int:
    return int((await w.fetch("SELECT settled_until FROM shard WHERE topic = $1", QUIET.topic))[0][0])


async def test_what_a_silent_source_sends_late_reaches_a_listener(
    silent: tuple[World, Client, Headers, int, int],
) -> None:
    """With its own times, before what was told already; until then its tables are named."""
    w, client, alice, begun, settled = silent
    own, heard = await _own_settled(w), list[Frame]()
    end = asyncio.get_running_loop().create_future()

    def enough(frame: Frame) -> bool:
        heard.append(frame)
        return end.done() and told(end.result())(frame) and not frame.data.get("incomplete")

    listening = asyncio.create_task(hear(client, alice, begun, enough))
    await until(lambda: any(told(settled)(frame) for frame in heard), "it is told up to S")
    assert {frame.entity for frame in changes(heard)} == {"a1", "q1", "a2"}
    assert heard[-1].data["incomplete"] == ["s.q"]
    assert own < settled
    end.set_result(await come_back(w, own + 1, own + 1, settled - 1))
    found = changes(await listening)
    assert sorted(str(frame.entity) for frame in found) == ["a1", "a2", "a3", "q1", "q2", "q3", "q4"]
    assert [frame.entity for frame in found if str(frame.entity).startswith("q")] == ["q1", "q2", "q3", "q4"]
    late = next(frame for frame in found if frame.entity == "q2")
    assert parse(late.data["event_timestamp"]) == own + 1
    folded = {frame.entity: frame.data["entity_state"] for frame in found}
    assert folded == {row["entity_id"]: row["entity_state"] for row in await w.state("t1")}


async def test_each_event_comes_once_wherever_the_stream_broke_off(
    silent: tuple[World, Client, Headers, int, int],
) -> None:
    """Also between two late events of an instant, and by the id that was told while the source was silent."""
    w, client, alice, begun, settled = silent
    own = await _own_settled(w)
    before = await hear(client, alice, begun, told(settled))
    end = await come_back(w, own + 1, own + 1, settled - 1)

    def whole(frame: Frame) -> bool:
        return told(end)(frame) and not frame.data.get("incomplete")

    after = await hear(client, alice, begun, whole, before[-1].id)
    every = before + after
    names = [frame.entity for frame in changes(every)]
    assert sorted(map(str, names)) == ["a1", "a2", "a3", "q1", "q2", "q3", "q4"]
    for number, frame in enumerate(every[:-1]):
        again = await hear(client, alice, begun, whole, frame.id)
        rest = [later.entity for later in changes(every[number + 1 :])]
        got = [later.entity for later in changes(again)]
        for kind in "aq":
            assert [x for x in got if str(x)[0] == kind] == [x for x in rest if str(x)[0] == kind], frame.id


async def test_who_comes_later_hears_it_in_order(silent: tuple[World, Client, Headers, int, int]) -> None:
    """With nothing silent any more there is nothing late: the stream is what `events` answers."""
    w, client, alice, begun, settled = silent
    own = await _own_settled(w)
    end = await come_back(w, own + 1, settled - 1)
    found = [frame.data for frame in changes(await hear(client, alice, begun, told(end)))]
    assert found == await w.events("t1", begun, end)
    assert len(found) == 6


async def test_another_tenant_hears_nothing_of_it(silent: tuple[World, Client, Headers, int, int]) -> None:
    w, client, alice, begun, settled = silent
    w.send({"id": "theirs", "tenant_id": "t2"}, shard=QUIET, ts_us=settled - 1)
    end = await come_back(w, settled - 1)
    found = changes(await hear(client, alice, begun, told(end)))
    assert "theirs" not in {frame.entity for frame in found}
