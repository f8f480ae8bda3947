"""Retention over HTTP, on a real PostgreSQL: who may, what is answered, what is refused, what is noted."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from msr_local.tokens import Tokens

from msr_stream.instants import DAY, now, render
from msr_stream.runtime import Runtime
from msr_stream.settings import Settings
from msr_stream.testing import MemoryBroker, MemoryFeed
from tests.unit import conftest as environment
from tests.world import World, world
from web import browsing, replay, retention
from web.server import serve

assert environment.REQUIRED  # importing `web` builds the application, which wants an environment

#: `request["correlation_id"]` is short and known to every module of `web`.
pytestmark = [
    pytest.mark.filterwarnings("ignore::aiohttp.web_exceptions.NotAppKeyWarning"),
    pytest.mark.usefixtures("within_a_day"),
]
Client = TestClient[web.Request, web.Application]


def cutoff() -> int:
    return (now() - 7 * DAY) // DAY * DAY


@asynccontextmanager
async def site(settings: Settings, folder: Path) -> AsyncIterator[tuple[World, Client, dict[str, Any]]]:
    """Ten days of a table, served; and the headers of each person."""
    tokens = Tokens(folder)
    people = {name: {"Authorization": f"Bearer {token}"} for name, token in tokens.ensure().items()}
    given = settings.model_copy(
        update={"iams_keycloak_url": tokens.issuer, "iams_jwks_file": tokens.jwks_file, "max_lateness": 0.0}
    )

    async def nobody(*_: object) -> Any:
        raise AssertionError("this is not asked for")

    async with world(given) as w:
        await w.own()
        for day in range(10):
            at = cutoff() + (day - 3) * DAY
            for tenant in ("t1", "t2"):
                w.send({"id": f"{tenant}-{day}", "tenant_id": tenant}, ts_us=at)
        await w.flushed()
        while not await w.fetch("SELECT FROM shard WHERE settled_until >= $1", now() - DAY):
            await w.settler.tick()
        runtime = Runtime(given, MemoryFeed(MemoryBroker(), lambda _: None, lambda: 1), nobody, nobody, nobody)
        await runtime.database.open()
        try:
            application = web.Application(client_max_size=1 << 20)
            serve(application, [*replay.ROUTES, *browsing.ROUTES, *retention.ROUTES], given, lambda: runtime)
            async with TestClient(TestServer(application)) as client:
                yield w, client, people
        finally:
            await runtime.close()


async def get(client: Client, path: str, headers: Any, **params: str) -> tuple[int, Any, Any]:
    async with client.get(path, headers=headers, params=params) as answer:
        return answer.status, json.loads(await answer.text()), answer.headers


async def post(client: Client, path: str, headers: Any, body: Any) -> tuple[int, Any]:
    async with client.post(path, headers=headers, data=json.dumps(body)) as answer:
        return answer.status, json.loads(await answer.text())


async def test_only_who_administers_all_tenants_may(settings: Settings, tmp_path: Path) -> None:
    """Not a user, not the administrator of one tenant: it is everybody's history."""
    async with site(settings, tmp_path) as (w, client, people):
        for person in ("alice", "admin"):
            assert (await get(client, "/admin/retention", people[person]))[0] == 403
            for path, body in (
                ("run", {"dry_run": False}), ("tables/s.t", {"days": 1}),
                ("erase", {"table": "s.t", "entity_id": "t1-9", "reason": "x"}),
            ):  # fmt: skip
                status, answer = await post(client, f"/admin/retention/{path}", people[person], body)
                assert (status, answer["errorCode"]) == (403, "FORBIDDEN")
        assert (await w.fetch("SELECT count(*) FROM retention_run"))[0][0] == 0
        assert (await w.fetch("SELECT count(*) FROM audit"))[0][0] == 0


async def test_a_run_is_tried_dry_then_done_and_told(settings: Settings, tmp_path: Path) -> None:
    async with site(settings, tmp_path) as (w, client, people):
        root, alice = people["root"], people["alice"]
        status, before, _ = await get(client, "/admin/retention", root)
        assert status == 200
        assert (before["data"]["cutoff"], before["data"]["retained_from"]) == (render(cutoff()), None)
        assert before["data"]["last_run"] is None
        assert before["data"]["next_run"].endswith("T03:00:00.000000Z")
        _, planned = await post(client, "/admin/retention/run", root, {"dry_run": True})
        assert planned["data"]["rows"] == 6
        assert len(planned["data"]["partitions"]) == 3
        assert (await w.fetch("SELECT count(*) FROM cdc_event"))[0][0] == 20
        status, done = await post(client, "/admin/retention/run", root, {"dry_run": False})
        assert (status, done["data"]["finished"]) == (200, True)
        assert done["data"]["partitions"] == planned["data"]["partitions"]
        assert (await w.fetch("SELECT count(*) FROM cdc_event"))[0][0] == 14
        _, after, _ = await get(client, "/admin/retention", root)
        assert after["data"]["retained_from"] == render(cutoff())
        assert after["data"]["last_run"]["state"] == "done"
        assert after["data"]["last_run"]["username"]
        status, refused, _ = await get(client, "/replay/state", alice, timestamp=render(cutoff() - 1))
        assert (status, refused["errorCode"]) == (400, "TIMESTAMP_OUT_OF_RANGE")
        assert "earliest" in refused["details"][0]
        status, left, _ = await get(client, "/replay/state", alice, timestamp=render(now() - 6 * DAY))
        assert {row["entity_id"] for row in left["data"]} >= {"t1-0", "t1-3"}
        assert not any(row["entity_id"].startswith("t2") for row in left["data"])
        noted = await w.fetch("SELECT action FROM audit")
        assert [row["action"] for row in noted] == ["retention.run"]


async def test_a_tables_own_time_is_set_applied_and_told_in_answers(settings: Settings, tmp_path: Path) -> None:
    async with site(settings, tmp_path) as (_, client, people):
        root, alice = people["root"], people["alice"]
        for days in (0, -1, "2", 1.5, True):
            status, answer = await post(client, "/admin/retention/tables/s.t", root, {"days": days})
            assert (status, answer["errorCode"]) == (400, "VALIDATION_FAILED"), days
        assert (await post(client, "/admin/retention/tables/s.unknown", root, {"days": 1}))[0] == 404
        status, answer = await post(client, "/admin/retention/tables/s.t", root, {"days": 2})
        assert (status, answer["data"]) == (200, {"table": "s.t", "days": 2})
        moment = render(now() - 5 * DAY)
        _, before, headers = await get(client, "/replay/state", alice, timestamp=moment)
        assert before["data"]
        assert "X-Incomplete" not in headers
        await post(client, "/admin/retention/run", root, {"dry_run": False})
        _, after, headers = await get(client, "/replay/state", alice, timestamp=moment)
        assert (after["data"], headers["X-Incomplete"]) == ([], "s.t")
        window = {"start": moment, "end": render(now() - DAY // 2)}
        _, _, headers = await get(client, "/replay/events", alice, **window)
        assert headers["X-Incomplete"] == "s.t"
        _, late, headers = await get(client, "/replay/state", alice, timestamp=render(now() - DAY // 2))
        assert {row["entity_id"] for row in late["data"]} >= {"t1-0", "t1-8"}
        assert "X-Incomplete" not in headers
        assert (await post(client, "/admin/retention/tables/s.t", root, {"days": None}))[0] == 200
        _, told, _ = await get(client, "/admin/retention", root)
        assert told["data"]["tables"][0]["days"] is None
        assert told["data"]["tables"][0]["retained_from"] is not None


async def test_an_entity_is_erased_with_a_reason_or_not_at_all(settings: Settings, tmp_path: Path) -> None:
    async with site(settings, tmp_path) as (w, client, people):
        root, path = people["root"], "/admin/retention/erase"
        whole = {"table": "s.t", "entity_id": "t1-5", "reason": "asked for"}
        for missing in whole:
            status, _ = await post(client, path, root, {k: v for k, v in whole.items() if k != missing})
            assert status == 400
        assert (await post(client, path, root, whole | {"entity_id": "nobody"}))[0] == 404
        assert (await post(client, path, root, whole | {"reason": ""}))[0] == 400
        assert (await w.fetch("SELECT epoch FROM history_epoch"))[0][0] == 1
        status, answer = await post(client, path, root, whole)
        assert (status, answer["data"]["events"], answer["data"]["open_answers"]) == (200, 1, 0)
        _, left, _ = await get(client, "/replay/state", people["alice"], timestamp=render(now() - DAY // 2))
        assert "t1-5" not in {row["entity_id"] for row in left["data"]}
        assert "t1-6" in {row["entity_id"] for row in left["data"]}
        noted = await w.fetch("SELECT subject, after::text AS after FROM audit")
        assert [(row["subject"], json.loads(row["after"])["reason"]) for row in noted] == [("s.t/t1-5", "asked for")]
