"""A read replica, streaming for real: answers come from it, and never go beyond what it has replayed."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import ClientPayloadError, StreamReader
from msr_local.ports import Ports
from msr_local.postgres import Postgres

from msr_stream import checks, metrics
from msr_stream.errors import Unavailable
from msr_stream.instants import DAY, HOUR, SECOND, now, parse, render
from msr_stream.replay import StateQuery
from msr_stream.settings import Settings
from msr_stream.store import planning
from msr_stream.store import replay as store_replay
from msr_stream.store.database import Database
from msr_stream.store.keyframes import Keyframes
from msr_stream.store.migrations import migrate
from msr_stream.store.replica import Replica, inspect_replica
from msr_stream.store.retaining import Retaining
from msr_stream.store.retention import Retention
from msr_stream.store.sinks import Sink
from msr_stream.store.snapshot import Snapshot
from msr_stream.store.standing import Standings
from tests.conftest import history_settings
from tests.integration.test_live import Frame, hear
from tests.integration.test_live import filled as many
from tests.integration.test_live import told as settled_up_to
from tests.integration.test_retention import ACTOR, cutoff, filled, raw_state, settle
from tests.site import Client, known, site
from tests.standby import Standby
from tests.world import World, until, world
from web import browsing, coverage, live, probes, replay, sessions

#: `request["correlation_id"]` is short and known to every module of `web`.
pytestmark = [
    pytest.mark.filterwarnings("ignore::aiohttp.web_exceptions.NotAppKeyWarning"),
    pytest.mark.usefixtures("within_a_day"),
]
ROUTES = [*replay.ROUTES, *browsing.ROUTES, *coverage.ROUTES, *sessions.ROUTES]


@pytest.fixture(scope="module")
def standby(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standby]:
    """A standby of the wheel's server, which ends answers that hold up replaying after a second."""
    server = Standby(tmp_path_factory.mktemp("standby"), postgres, max_standby_streaming_delay="1s")
    server.start()
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()


@pytest.fixture
def settings(postgres: Postgres, standby: Standby, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a worker that records to the one and answers from the other."""
    yield known(
        history_settings(postgres.port, tmp_path), tmp_path,
        database_read_host="127.0.0.1", database_read_port=standby.port,
    )  # fmt: skip
    standby.resume()


@asynccontextmanager
async def told(settings: Settings, standby: Standby) -> AsyncIterator[tuple[World, int]]:
    """A world with an entity of alice's tenant, on the replica too; and the instant up to which it is settled."""
    async with world(settings) as w:
        await asyncio.to_thread(standby.catch_up)
        await w.own()
        w.send({"id": 1, "tenant_id": "t1", "n": 1})
        await w.flushed()
        at = await settle(w)
        await asyncio.to_thread(standby.catch_up)
        yield w, at


async def get(client: Client, path: str, headers: dict[str, str], **params: str) -> tuple[int, Any, Any]:
    async with client.get(path, headers=headers, params=params) as answer:
        return answer.status, json.loads(await answer.text()), answer.headers


async def test_answers_come_from_the_replica_and_nothing_else_does(
    settings: Settings, standby: Standby, tmp_path: Path
) -> None:
    """By the connections that each server has, once everything was asked for."""
    async with told(settings, standby) as (w, at), site(w.settings, tmp_path, ROUTES) as (client, headers, _):
        end = render(at)
        window = {"start": render(at - SECOND), "end": end}
        for path, params in (
            ("/replay/state", {}), ("/replay/state", {"timestamp": end}), ("/replay/tables", {}),
            ("/replay/events", window),
            ("/replay/activity", window), ("/replay/entity/s.t/1", window), ("/replay/coverage", window),
            ("/session", {}),
        ):  # fmt: skip
            assert (await get(client, path, headers, **params))[0] == 200, path
        mine = f"application_name LIKE '% {w.settings.worker}' AND application_name !~ 'recorder'"
        kinds = (
            f"SELECT string_agg(DISTINCT split_part(application_name, ' ', 2), ',') FROM pg_stat_activity WHERE {mine}"
        )
        assert standby.ask(kinds) == "look,replay"
        assert (await w.fetch(kinds))[0][0] == "serve"


async def test_no_answer_goes_beyond_what_was_replayed(settings: Settings, standby: Standby, tmp_path: Path) -> None:
    """While replay stands still: the old S is answered, what came later is 503 and says S; then it is answered."""
    async with told(settings, standby) as (w, before), site(w.settings, tmp_path, ROUTES) as (client, headers, runtime):
        standby.pause()
        w.send({"id": 1, "tenant_id": "t1", "n": 2}, op="u")
        await w.flushed()
        later = await settle(w)
        assert later > before
        for _ in range(2):  # the second time it might be kept
            status, body, answered = await get(client, "/replay/state", headers)
            assert (status, body["data"][0]["entity_state"]["n"]) == (200, 1)
            assert parse(answered["X-Settled-Until"]) < later
        window = {"start": render(before), "end": render(later)}
        for path, params in (
            ("/replay/state", {"timestamp": render(later)}), ("/replay/events", window), ("/replay/activity", window),
            ("/replay/tables", {"timestamp": render(later)}), ("/replay/entity/s.t/1", window),
        ):  # fmt: skip
            status, body, answered = await get(client, path, headers, **params)
            assert (status, body["errorCode"], answered["Retry-After"]) == (503, "SERVICE_UNAVAILABLE", "1"), path
            assert parse(body["details"][0]["settled_until"]) < later
        assert await runtime.settled.instant() == parse(body["details"][0]["settled_until"])
        standby.resume()
        await asyncio.to_thread(standby.catch_up)
        status, body, _ = await get(client, "/replay/state", headers, timestamp=render(later))
        assert (status, body["data"][0]["entity_state"]["n"]) == (200, 2)


async def test_an_instant_that_is_replayed_within_the_patience_is_waited_for(
    settings: Settings, standby: Standby, tmp_path: Path
) -> None:
    async with told(settings, standby) as (w, _), site(w.settings, tmp_path, ROUTES) as (client, headers, _):
        standby.pause()
        later = await settle(w)
        asking = asyncio.create_task(get(client, "/replay/state", headers, timestamp=render(later)))
        await _holds(standby, "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name LIKE 'msr replay%'")
        standby.resume()
        assert (await asking)[0] == 200


async def _holds(standby: Standby, condition: str) -> None:
    for _ in range(1000):
        if standby.ask(condition):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"waited in vain until {condition}")


async def test_what_an_older_epoch_shows_is_not_kept_under_a_newer_ones_name(
    settings: Settings, standby: Standby, tmp_path: Path
) -> None:
    """Two looks may meet two replicas: one that knows of an erasure, then one that does not."""
    async with told(settings, standby) as (w, at), site(w.settings, tmp_path, ROUTES) as (client, headers, runtime):
        standby.pause()
        await Retention(w.database, patience=0.1).erase("s.t", "1", "why", ACTOR)
        ahead = Database(w.settings.model_copy(update={"database_read_host": ""}))
        await ahead.open()
        runtime.standings = Standings(ahead)
        try:
            old = await get(client, "/replay/state", headers | {"Accept-Encoding": "gzip"}, timestamp=render(at))
            assert (old[0], len(old[1]["data"]), old[2]["Cache-Control"]) == (200, 1, "no-store")
            assert "ETag" not in old[2]
            standby.resume()
            await asyncio.to_thread(standby.catch_up)
            new = await get(client, "/replay/state", headers | {"Accept-Encoding": "gzip"}, timestamp=render(at))
            assert (new[0], new[1]["data"]) == (200, [])
            assert "ETag" in new[2]
        finally:
            await ahead.close()


async def test_an_erasure_says_whether_the_replica_shows_it_yet(settings: Settings, standby: Standby) -> None:
    async with told(settings, standby) as (w, at):
        standby.pause()
        erased = await Retention(w.database, patience=0.1).erase("s.t", "1", "why", ACTOR)
        assert (erased["open_answers"], erased["replica_behind"]) == (0, True)
        standby.resume()
        w.send({"id": 2, "tenant_id": "t1"})
        await w.flushed()
        await settle(w)
        await asyncio.to_thread(standby.catch_up)
        async with w.replay.snapshot("t1", at):
            erased = await Retention(w.database, patience=0.5).erase("s.t", "2", "why", ACTOR)
        assert (erased["open_answers"], erased["replica_behind"]) == (1, False)


async def test_retention_waits_the_longest_that_an_answer_on_the_replica_may_take(
    settings: Settings, standby: Standby
) -> None:
    """Its locks are not seen on the primary; an answer that began before ends whole, then what it read is dropped."""
    async with filled(settings) as w:
        await asyncio.to_thread(standby.catch_up)
        at = cutoff() - 2 * DAY
        wanted = await raw_state(w, "t1", at)
        steps: list[str] = []
        pieces: list[bytes] = []
        retaining = Retaining(w.settings, w.database, Keyframes(w.database), patience=6.0, passed=steps.append)
        async with w.replay.snapshot("t1", at) as snapshot:
            running = asyncio.create_task(retaining.run())
            await until(lambda: "forgotten" in steps, "the bounds are raised")
            await asyncio.to_thread(standby.catch_up)
            await snapshot.state(StateQuery(at), at, _into(pieces))
            assert "waited" not in steps
        assert b"".join(pieces) == wanted
        plan = await running
        assert plan is not None
        assert len(plan.parts) == 5
        await asyncio.to_thread(standby.catch_up)
        since = await raw_state(w, "t1", cutoff())
        assert since != b""


@pytest.mark.parametrize("reading", [True, False], ids=["in a statement", "between two"])
async def test_an_answer_that_holds_up_replaying_is_ended_and_says_why(
    settings: Settings, standby: Standby, reading: bool
) -> None:
    """PostgreSQL ends it after max_standby_streaming_delay: it fails, and never looks complete."""
    async with filled(settings) as w:
        await asyncio.to_thread(standby.catch_up)
        table = f"{w.settings.database_schema}.cdc_event"

        async def drop() -> None:
            await _holds(standby, f"SELECT count(*) > 0 FROM pg_locks WHERE relation = '{table}'::regclass")
            await w.fetch("DROP TABLE cdc_event CASCADE")
            if not reading:
                await _holds(standby, f"SELECT to_regclass('{table}') IS NULL")

        async def answer() -> None:
            at = now() - HOUR
            async with w.replay.snapshot("t1", at) as snapshot:
                await snapshot.state(StateQuery(at), at, _into([]))
                dropping = asyncio.create_task(drop())
                if not reading:
                    await dropping
                await snapshot.rows("SELECT pg_sleep(30)::text FROM v_cdc_event LIMIT 1")

        with pytest.raises(Unavailable, match="ended the answer to go on replaying" if reading else "is not available"):
            await answer()


async def test_an_answer_that_has_begun_is_cut_when_replaying_ends_it(
    settings: Settings, standby: Standby, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It never looks complete; what is asked for then is answered, or 503."""
    copy, dropped = Snapshot._copy, asyncio.Event()

    async def slice_by_slice(connection: Any, statement: str, sink: Sink) -> None:
        await copy(connection, statement, sink)
        await dropped.wait()

    monkeypatch.setattr(Snapshot, "_copy", staticmethod(slice_by_slice))
    monkeypatch.setattr(planning, "FIRST_SLICE", SECOND // 10)
    async with world(settings) as w, site(w.settings, tmp_path, ROUTES) as (client, headers, _):
        begun = await many(w, number := 80_000)
        await asyncio.to_thread(standby.catch_up)
        window = {"start": render(begun), "end": render(begun + 10 * number)}
        lines = headers | {"Accept": "application/x-ndjson", "Accept-Encoding": "identity"}
        received: list[bytes] = []

        async def receive(content: StreamReader) -> None:
            while not content.at_eof():
                received.append(await content.readany())

        async with client.get("/replay/events", headers=lines, params=window) as answer:
            received.append(await answer.content.readany())
            await w.fetch("DROP TABLE cdc_event CASCADE")
            await _holds(standby, f"SELECT to_regclass('{w.settings.database_schema}.cdc_event') IS NULL")
            dropped.set()
            with pytest.raises(ClientPayloadError):
                await receive(answer.content)
        whole = b"".join(received)
        assert 0 < whole.count(b"\n") < number
        assert b'"count"' not in whole


async def test_an_answer_ends_after_the_longest_that_one_may_take(
    settings: Settings, standby: Standby, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All its statements together: so retention knows how long it has to wait for those on a replica."""
    async with told(settings, standby) as (w, at):
        monkeypatch.setattr(store_replay, "LONGEST", 2.0)

        async def answer() -> None:
            async with w.replay.snapshot("t1", at) as snapshot:
                for _ in range(100):
                    await snapshot.rows("SELECT pg_sleep(0.1)::text")

        with pytest.raises(Unavailable, match="took too long"):
            await answer()
        with pytest.raises(Unavailable, match="took too long"):
            await answer()  # no turn was kept, no connection spoilt
        monkeypatch.undo()
        assert len(await w.state("t1", at)) == 1


async def test_a_listener_hears_what_was_replayed(settings: Settings, standby: Standby, tmp_path: Path) -> None:
    async with told(settings, standby) as (w, at), site(w.settings, tmp_path, live.ROUTES) as (client, headers, _):
        standby.pause()
        w.send({"id": 2, "tenant_id": "t1"})
        await w.flushed()
        later = await settle(w)
        heard: list[Frame] = []

        def enough(frame: Frame) -> bool:
            heard.append(frame)
            return settled_up_to(later)(frame)

        listening = asyncio.create_task(hear(client, headers, at - HOUR, enough))
        await until(lambda: any(settled_up_to(at)(frame) for frame in heard), "what was replayed is told")
        assert [frame.entity for frame in heard if frame.name == "change"] == ["1"]
        standby.resume()
        found = await listening
        assert [frame.entity for frame in found if frame.name == "change"] == ["1", "2"]


async def test_a_replica_that_is_away_is_said_and_nothing_else_suffers(
    settings: Settings, standby: Standby, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers are 503 with its name; recording and sessions go on; it comes back without a restart."""
    for part, state in (("_broker", "ok"), ("_recovered", True)):  # there is no broker here
        monkeypatch.setattr(probes, part, lambda state=state: state)
    routes = [*ROUTES, *probes.ROUTES]
    async with told(settings, standby) as (w, at), site(w.settings, tmp_path, routes) as (client, headers, runtime):
        runtime.prepared.set()
        replica = Replica(w.settings, w.database)
        status, body, _ = await get(client, "/readiness", {})
        assert (status, body["dependencies"]["replica"]["status"]) == (200, "UP")
        await replica.measure()
        assert metrics.REPLICA_LAG._value.get() < 60
        standby.stop()
        try:
            for path in ("/replay/state", "/replay/tables"):
                status, body, answered = await get(client, path, headers)
                assert (status, body["errorMessage"]) == (503, "the read replica is not available"), path
                assert answered["Retry-After"] == "2"
            status, body, _ = await get(client, "/readiness", {})
            states = {name: about["status"] for name, about in body["dependencies"].items()}
            assert (status, states) == (503, {"database": "UP", "broker": "UP", "tables": "UP", "replica": "DOWN"})
            await replica.measure()
            assert metrics.REPLICA_LAG._value.get() == math.inf
            assert (await get(client, "/session", headers))[0] == 200
            w.send({"id": 2, "tenant_id": "t1"})
            await w.flushed()
            assert [finding.level for finding in await checks._replica(w.settings)] == ["error"]
        finally:
            standby.start()
            await asyncio.to_thread(standby.wait_ready)
        await asyncio.to_thread(standby.catch_up)
        assert await replica.check() == "ok"
        assert (await get(client, "/replay/state", headers, timestamp=render(at)))[0] == 200


async def test_answers_go_on_while_the_history_database_is_away(
    settings: Settings, standby: Standby, tmp_path: Path
) -> None:
    """Up to what the replica has; only what names a session needs the one that keeps sessions."""
    async with told(settings, standby) as (w, at):
        alone = w.settings.model_copy(update={"database_port": Ports.unused().postgres})
        async with site(alone, tmp_path, ROUTES) as (client, headers, _):
            status, body, _ = await get(client, "/replay/state", headers, timestamp=render(at))
            assert (status, len(body["data"])) == (200, 1)
            assert (await get(client, "/replay/tables", headers))[0] == 200
            status, body, _ = await get(client, "/replay/state", headers | {"X-Session-ID": str(uuid4())})
            assert (status, body["errorMessage"]) == (503, "the database is not available")


async def test_a_check_tells_a_replica_from_what_is_none(
    settings: Settings, standby: Standby, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Nothing replayed of the schema yet, a replica, the database itself, another cluster, a promoted standby."""
    assert (await inspect_replica(settings)).trouble == "has not replayed the schema yet"
    assert await Replica(settings, Database(settings)).check() == "has not replayed the schema yet"
    await migrate(settings)
    await asyncio.to_thread(standby.catch_up)
    found = await inspect_replica(settings)
    assert (found.trouble, found.itself, found.lag) == (None, False, 0)
    assert [finding.level for finding in await checks._replica(settings)] == ["ok"]
    itself = settings.model_copy(update={"database_read_port": 0})
    assert (await inspect_replica(itself)).itself
    assert [finding.level for finding in await checks._replica(itself)] == ["warning"]
    assert await checks._replica(settings.model_copy(update={"database_read_host": ""})) == []
    standby.pause()
    with postgres.connect("history") as connection:
        connection.execute("SELECT pg_logical_emit_message(true, 'test', 'something to replay')")
    assert (await inspect_replica(settings)).lag > 0
    standby.resume()
    promoted = Standby(tmp_path_factory.mktemp("promoted"), postgres)
    other = Postgres(tmp_path_factory.mktemp("other"), Standby(Path(), postgres).port)
    for server, trouble in ((promoted, "was promoted"), (other, "another cluster")):
        server.start()
        try:
            server.wait_ready()
            if isinstance(server, Standby):
                assert server.ask("SELECT pg_promote()") is True
            named = settings.model_copy(update={"database_read_port": server.port})
            assert trouble in str((await inspect_replica(named)).trouble)
            assert [finding.level for finding in await checks._replica(named)] == ["error"]
        finally:
            server.stop()


def _into(pieces: list[bytes]) -> Callable[[bytes], Awaitable[None]]:
    async def sink(piece: bytes) -> None:
        pieces.append(piece)

    return sink
