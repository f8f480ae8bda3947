"""Keyframes: they change no answer, bound what is read for one, and are whole or not there."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from msr_local.tokens import Tokens

from msr_stream.errors import MsrError
from msr_stream.identity import Caller
from msr_stream.instants import DAY, SECOND, now
from msr_stream.recording.progress import Shard
from msr_stream.runtime import Runtime
from msr_stream.settings import Settings
from msr_stream.store import planning
from msr_stream.store.audit import Actor
from msr_stream.store.database import Database, connect_arguments
from msr_stream.store.keyframes import Keyframes, Pace
from tests.world import TOPIC, World, until, world

TENANTS = ("t1", "t2")
State = dict[str, dict[str, Any]]


@pytest.fixture(params=[0, 2_000], ids=["big", "small"])
def _statements(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every shard's own statement, and the one that small shards share."""
    monkeypatch.setattr(planning, "SMALL", request.param)


@asynccontextmanager
async def _recorded(
    settings: Settings, events: int = 400, *, settle: bool = True
) -> AsyncIterator[tuple[World, list[int]]]:
    """Two shards with changes, deletes, re-creations, changes of tenant and ties, over three days; and their times."""
    rng = random.Random(events)
    async with world(settings) as w:
        await w.own(partitions=2)
        begun = now() - 3 * DAY
        live: set[int] = set()
        times: list[int] = []
        for number in range(events):
            entity = rng.randrange(24)
            op = "c" if entity not in live else "d" if rng.random() < 0.3 else "u"
            live.symmetric_difference_update(() if op == "u" else {entity})
            row = {"id": entity, "n": number, "tenant_id": rng.choice(["t1", "t1", "t2", None])}
            moment = begun + number // 3 * (3 * DAY // events) * 3
            times.append(w.send(row, op=op, shard=Shard(TOPIC, entity % 2), ts_us=moment))
        await w.flushed()
        if settle:
            await _settle(w)
        yield w, times


async def _settle(w: World) -> None:
    w.settler._lateness = 0
    await w.settler.tick()


async def _state(w: World, tenant: str, at: int | None = None) -> State:
    rows = await w.state(tenant, at)
    found = {row["entity_id"]: row for row in rows}
    assert len(found) == len(rows), "an entity twice"
    return found


async def _states(w: World, instants: list[int]) -> dict[tuple[str, int], State]:
    return {(tenant, at): await _state(w, tenant, at) for tenant in TENANTS for at in instants}


async def _shards(w: World) -> list[int]:
    return [row["shard_id"] for row in await w.fetch("SELECT shard_id FROM shard ORDER BY 1")]


async def _heads(w: World) -> list[Any]:
    return await w.fetch("SELECT * FROM keyframe_head ORDER BY shard_id, keyframe_timestamp")


@pytest.mark.usefixtures("_statements")
async def test_keyframes_change_no_state(settings: Settings) -> None:
    """At, before and after events and keyframes, whenever and in whichever order the keyframes are built."""
    async with _recorded(settings) as (w, times):
        rng = random.Random(5)
        built_at = [rng.choice(times) + rng.choice([-1, 0, 1, SECOND]) for _ in range(6)]
        instants = sorted({at + step for at in (*built_at, *rng.sample(times, 12)) for step in (-1, 0, 1)})
        before = await _states(w, instants)
        keyframes = Keyframes(w.database)
        for shard_id in await _shards(w):
            for at in built_at:
                await keyframes.build(shard_id, at)
            assert await keyframes.build(shard_id) is not None
        assert len(await _heads(w)) >= 10
        assert await _states(w, instants) == before
        assert any(before.values())


async def test_a_keyframe_holds_what_lives_of_every_tenant_and_no_delete(settings: Settings) -> None:
    """Its rows are the last events as they were recorded; its count is what lives."""
    async with _recorded(settings) as (w, _):
        for shard_id in await _shards(w):
            keyframe_id = await Keyframes(w.database).build(shard_id)
            columns = (
                "shard_id, position, event_timestamp, source_timestamp, source_lsn, op, table_name, entity_id, "
                "tenant_id, entity_state"
            )
            kept = await w.fetch(
                f"SELECT {columns} FROM keyframe WHERE keyframe_id = $1 ORDER BY position", keyframe_id
            )
            lives = await w.fetch(
                f"""SELECT {columns} FROM (SELECT DISTINCT ON (entity_id) * FROM cdc_event WHERE shard_id = $1
                ORDER BY entity_id, position DESC) e WHERE op <> 'd' ORDER BY position""",
                shard_id,
            )
            assert [tuple(row) for row in kept] == [tuple(row) for row in lives]
            [head] = await w.fetch("SELECT * FROM keyframe_head WHERE keyframe_id = $1", keyframe_id)
            [shard] = await w.fetch("SELECT * FROM shard WHERE shard_id = $1", shard_id)
            assert head["keyframe_rows"] == len(lives) == shard["live_entities"]
            assert (head["position"], shard["events_since_keyframe"]) == (shard["last_position"], 0)


async def test_a_wrong_estimate_of_what_lives_is_corrected(settings: Settings) -> None:
    async with _recorded(settings) as (w, _):
        [shard_id, _other] = await _shards(w)
        [right] = await w.fetch("SELECT live_entities FROM shard WHERE shard_id = $1", shard_id)
        await w.fetch("UPDATE shard SET live_entities = live_entities + 1000")
        await Keyframes(w.database).build(shard_id)
        [row] = await w.fetch("SELECT live_entities FROM shard WHERE shard_id = $1", shard_id)
        assert row["live_entities"] == right["live_entities"]


async def test_a_keyframe_may_be_wanted_at_an_instant_at_which_nothing_changed(settings: Settings) -> None:
    """Where retention cuts there must be one; a second one at the same instant is none."""
    async with _recorded(settings) as (w, times):
        [shard_id, _other] = await _shards(w)
        keyframes = Keyframes(w.database)
        at = times[-1] + SECOND
        first = await keyframes.build(shard_id, times[-1])
        second = await keyframes.build(shard_id, at)
        assert None not in (first, second)
        assert first != second
        assert await keyframes.build(shard_id, at) is None
        assert await keyframes.build(shard_id, times[0] - 1) is None  # nothing was there
        heads = [row for row in await _heads(w) if row["shard_id"] == shard_id]
        assert [head["keyframe_timestamp"] for head in heads] == [times[-1], at]
        assert heads[0]["keyframe_rows"] == heads[1]["keyframe_rows"]


async def test_a_log_that_is_not_final_gets_no_keyframe(settings: Settings) -> None:
    """What is not settled may still get an event of the newest one's time: the keyframe ends before it."""
    async with _recorded(settings, settle=False) as (w, times):
        [shard_id, _other] = await _shards(w)
        with pytest.raises(MsrError, match="final up to"):
            await Keyframes(w.database).build(shard_id, now())
        assert await Keyframes(w.database).build(shard_id) is not None
        [head] = await _heads(w)
        newest = await w.fetch("SELECT max(event_timestamp) AS t FROM cdc_event WHERE shard_id = $1", shard_id)
        assert head["keyframe_timestamp"] < newest[0]["t"]
        assert head["keyframe_timestamp"] in times
        await _settle(w)
        assert await Keyframes(w.database).build(shard_id) is not None
        assert await Keyframes(w.database).build(shard_id) is None


async def test_states_read_at_most_three_rows_per_live_entity(settings: Settings) -> None:
    """Invariant 13, also of history that was recorded before anybody built a keyframe."""
    async with _recorded(settings, events=1500) as (w, times):
        shards = await _shards(w)
        assert await Keyframes(w.database).keep_up(shards, Pace(2.0, 5)) > 20
        assert await Keyframes(w.database).keep_up(shards, Pace(2.0, 5)) == 0
        async with w.database.replaying() as connection:
            for at in times[100::50]:
                for part in await planning.parts(connection, at):
                    assert part.rows <= 3 * 12 + 3  # twelve entities a shard; events of one instant stay together
        [kept] = await w.fetch(
            "SELECT (SELECT count(*) FROM keyframe) AS rows, (SELECT count(*) FROM cdc_event) AS events"
        )
        assert kept["rows"] <= 0.6 * kept["events"]


async def test_a_keyframe_is_built_while_flushes_go_on(settings: Settings) -> None:
    """Neither waits for the other for long, no event is lost, and the counts are right after it."""
    async with world(settings, run_length=7) as w:
        await w.own()
        w.settler._lateness = 0
        [shard_id] = await _shards(w)
        flushing, built = asyncio.create_task(w.flushed()), 0
        for number in range(1500):
            w.send({"id": number % 50, "n": number, "tenant_id": "t1"}, op="c" if number < 50 else "u")
        while not flushing.done():
            built += await Keyframes(w.database).build(shard_id) is not None
        await flushing
        await w.settler.tick()
        assert built > 3
        found = await _state(w, "t1")
        assert {row["entity_state"]["n"] for row in found.values()} == set(range(1450, 1500))
        [row] = await w.fetch(
            """SELECT last_position, events_since_keyframe, live_entities,
            (SELECT max(position) FROM keyframe_head) AS kept FROM shard"""
        )
        assert row["last_position"] == 1500
        assert row["events_since_keyframe"] == row["last_position"] - row["kept"]
        assert row["live_entities"] == 50


async def test_two_builders_at_once_make_one_keyframe(settings: Settings) -> None:
    async with _recorded(settings) as (w, _):
        others = [Database(settings) for _ in range(3)]
        try:
            for other in others:
                await other.open()
            [shard_id, _other] = await _shards(w)
            built = await asyncio.gather(*(Keyframes(one).build(shard_id) for one in (w.database, *others)))
        finally:
            for other in others:
                await other.close()
        assert len([one for one in built if one is not None]) == 1
        assert len(await _heads(w)) == 1
        doubles = await w.fetch("SELECT FROM keyframe GROUP BY keyframe_id, entity_id HAVING count(*) > 1")
        assert doubles == []


@pytest.mark.usefixtures("_statements")
async def test_a_builder_that_dies_before_the_head_leaves_nothing(settings: Settings) -> None:
    async with _recorded(settings) as (w, times):
        before = await _states(w, times[100::50])
        [shard_id, _other] = await _shards(w)
        holder = await asyncpg.connect(
            **connect_arguments(settings), server_settings={"search_path": settings.database_schema}
        )
        waiting = (
            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'msr build %' AND wait_event_type = 'Lock'"
        )
        async with holder.transaction():
            await holder.execute("LOCK TABLE keyframe_head IN EXCLUSIVE MODE")
            building = asyncio.create_task(Keyframes(w.database).build(shard_id))
            pids: list[int] = []
            deadline = asyncio.get_running_loop().time() + 20
            while not pids and asyncio.get_running_loop().time() < deadline:
                pids = [row["pid"] for row in await w.fetch(waiting)]
            assert (
                await holder.fetchval("SELECT count(pg_terminate_backend(pid)) FROM unnest($1::int[]) pid", pids) == 1
            )
            await until(building.done, "the builder has noticed")
            assert building.exception() is not None
        await holder.close()
        assert await w.fetch("SELECT FROM keyframe") == []
        assert await _heads(w) == []
        assert await _states(w, times[100::50]) == before
        assert await Keyframes(w.database).build(shard_id) is not None
        assert await _states(w, times[100::50]) == before


async def test_the_recorder_finds_last_events_in_keyframes(settings: Settings) -> None:
    """With state: the same as from all history, deletes before the keyframe too. Without: the same of what lives."""
    async with _recorded(settings) as (w, times):
        history = w.recorder.history
        for shard_id in await _shards(w):
            entities = {("s.t", str(number)): True for number in range(24)}
            with_state = await history.recall(shard_id, entities)
            without = await history.recall(shard_id, dict.fromkeys(entities, False))
            assert {last.op for last in with_state.values()} > {"d"}
            for at in (times[200], None):
                await Keyframes(w.database).build(shard_id, at)
                assert await history.recall(shard_id, entities) == with_state
                found = await history.recall(shard_id, dict.fromkeys(entities, False))
                assert found.items() <= without.items()
                assert all(without[entity].op == "d" for entity in without.keys() - found.keys())


@pytest.mark.filterwarnings("ignore::aiohttp.web_exceptions.NotAppKeyWarning")
async def test_keyframes_on_demand_are_a_system_administrators(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over HTTP, through the real routes: one of every shard that has changed, and nobody else may."""
    tokens = Tokens(tmp_path)
    people = tokens.ensure()
    given = settings.model_copy(update={"iams_keycloak_url": tokens.issuer, "iams_jwks_file": tokens.jwks_file})
    for name in ("database_host", "database_name", "database_user", "iams_keycloak_url", "iams_jwks_file"):
        monkeypatch.setenv(name.upper(), str(getattr(given, name)))
    monkeypatch.setenv("KAFKA_BROKERS", given.kafka_brokers[0])
    from web import admin  # noqa: PLC0415 - the application is built by this import, from the environment
    from web.server import serve  # noqa: PLC0415

    async with _recorded(settings) as (w, _):
        runtime = Runtime(given, w.feed, _never, _never, _never)
        await runtime.prepare()
        application = web.Application()
        serve(application, admin.ROUTES, given, lambda: runtime)
        async with TestClient(TestServer(application)) as client:

            async def build(who: str) -> tuple[int, Any]:
                answer = await client.post("/admin/keyframes", headers={"Authorization": f"Bearer {people[who]}"})
                return answer.status, (await answer.json()).get("data")

            assert (await build("alice"))[0] == (await build("admin"))[0] == 403
            assert await build("root") == (200, {"keyframes": 2})
            assert await build("root") == (200, {"keyframes": 0})
        await runtime.database.close()
        assert len(await _heads(w)) == 2


async def _never(*_: object) -> Any:
    raise AssertionError("nothing of that is asked for")


async def test_a_keyframe_of_every_shard_is_noted(settings: Settings) -> None:
    async with _recorded(settings) as (w, _):
        actor = Actor(Caller("root", "root", None, frozenset({"system-admin"})), str(uuid4()))
        assert await Keyframes(w.database).build_all(actor) == 2
        assert await Keyframes(w.database).build_all(actor) == 0
        noted = await w.fetch("SELECT action, after FROM audit ORDER BY audit_id")
        assert [(row["action"], json.loads(row["after"])) for row in noted] == [
            ("keyframe.build", {"shards": await _shards(w)}),
            ("keyframe.build", {"shards": []}),
        ]
