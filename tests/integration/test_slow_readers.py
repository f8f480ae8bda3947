"""A slow reader slows only itself: with one turn at the database for all, the others are answered meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientPayloadError, ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from msr_local.tokens import Tokens

from msr_stream.instants import DAY, now
from msr_stream.runtime import Runtime
from msr_stream.settings import Settings
from tests.unit import conftest as environment
from tests.world import until, world
from web import replay
from web.server import serve

assert environment.REQUIRED  # importing `web` builds the application, which wants an environment

pytestmark = pytest.mark.filterwarnings("ignore::aiohttp.web_exceptions.NotAppKeyWarning")
ROWS, BYTES = 300, 100_000


async def _never(*_: object) -> Any:
    raise AssertionError("not asked for here")


@asynccontextmanager
async def _site(settings: Settings, folder: Path, **more: Any) -> AsyncIterator[tuple[Runtime, Any]]:
    """A worker with one turn and a state of 30 MB; and what asks it for that."""
    tokens = Tokens(folder)
    alice = tokens.ensure()["alice"]
    given = settings.model_copy(
        update={
            "iams_keycloak_url": tokens.issuer, "iams_jwks_file": tokens.jwks_file, "data_dir": folder,
            "replay_concurrency": 1, **more,
        }
    )  # fmt: skip
    async with world(settings) as w:
        await w.own()
        w.settler._lateness = 0
        for number in range(ROWS):
            w.send({"id": number, "tenant_id": "t1", "body": "x" * BYTES}, ts_us=now() - DAY)
        await w.flushed()
        while not await w.fetch("SELECT FROM shard HAVING bool_and(settled_until > last_effective)"):
            await w.settler.tick()
        runtime = Runtime(given, w.feed, _never, _never, _never)
        await runtime.prepare()
        application = web.Application()
        serve(application, replay.ROUTES, given, lambda: runtime)
        async with TestClient(TestServer(application)) as client:

            async def ask() -> ClientResponse:
                headers = {"Authorization": f"Bearer {alice}", "Accept-Encoding": "identity"}
                return await client.get("/replay/state", headers=headers)

            yield runtime, ask
        await runtime.database.close()


async def test_others_are_answered_while_one_reads_slowly(settings: Settings, tmp_path: Path) -> None:
    """It has read nothing beyond what sockets hold, and still gets all of it in the end."""
    async with _site(settings, tmp_path) as (runtime, ask):
        slow = [await ask() for _ in range(3)]
        await until(lambda: runtime.replay.places.free == runtime.replay.places.all, "no connection is held")
        assert runtime.replays.total == 3
        quick = await ask()
        assert len(json.loads(await quick.read())["data"]) == ROWS
        for answer in slow:
            assert len(json.loads(await answer.read())["data"]) == ROWS
        await until(lambda: runtime.spools.used == 0, "nothing is kept for readers")


async def test_without_room_on_disk_a_slow_reader_gives_way(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for the only turn has it before the patience ends; the slow reader's answer does not look complete."""
    monkeypatch.setattr("msr_stream.spool._PATIENCE", 0.5)
    async with _site(settings, tmp_path, spool_mb=0) as (_, ask):
        slow = await ask()
        quick = await asyncio.wait_for(ask(), 20)
        assert len(json.loads(await quick.read())["data"]) == ROWS
        with pytest.raises((ClientPayloadError, ConnectionResetError)):
            await slow.read()
