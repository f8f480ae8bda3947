"""A served world whose past can be exported as clips, and put back."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from msr_local.tokens import Tokens

from msr_stream.clips.reading import Clip
from msr_stream.identity import Caller
from msr_stream.instants import SECOND, now, render
from msr_stream.recording.progress import Shard
from msr_stream.runtime import Runtime
from msr_stream.settings import Settings
from msr_stream.store.audit import Actor
from tests.site import Client, known
from tests.site import site as served
from tests.world import TOPIC, World, world
from web import browsing, clips, coverage, export, replay, retention

ACTOR = Actor(Caller("u", "somebody", None, frozenset()), str(uuid4()))


#: What JSON numbers lose when they are read as numbers.
RAW = '{"id":"raw","tenant_id":"t1","huge":1e400,"long":12345678901234567890123,"price":%s,"lon":103.8,"lat":%s}'


class Site:
    """A served world.

    Attributes:
        w: what is recorded.
        parts: the worker's.
        client: asks it.
        moments: instants in the recorded history, in order, all settled.
    """

    def __init__(self, w: World, parts: Runtime, client: Client, people: dict[str, Any]) -> None:
        self.w, self.parts, self.client, self._people = w, parts, client, people
        self.moments: list[int] = []

    async def ask(self, path: str, person: str = "alice", **params: Any) -> tuple[int, bytes, Any]:
        """Status, body and headers of a GET."""
        headers = {
            **self._people[person],
            "Accept-Encoding": params.pop("encoding", "identity"),
            **params.pop("more", {}),
        }
        async with self.client.get(path, headers=headers, params=params) as answer:
            return answer.status, await answer.read(), answer.headers

    async def data(self, path: str, person: str = "alice", **params: Any) -> Any:
        """What is in a successful answer."""
        status, body, _ = await self.ask(path, person, **params)
        assert status == 200, body
        return json.loads(body)["data"]

    async def text(self, path: str, person: str = "alice", **params: Any) -> list[bytes]:
        """The rows of an answer as the text they are."""
        status, body, _ = await self.ask(path, person, more={"Accept": "application/x-ndjson"}, **params)
        assert status == 200, body
        return body.splitlines()[:-1]

    async def delete(self, path: str, person: str) -> int:
        async with self.client.delete(path, headers=self._people[person]) as answer:
            return answer.status

    async def export(self, kind: str, person: str = "alice", **params: Any) -> bytes:
        """A clip from the second moment to the last but one."""
        window = {"start": render(self.moments[1]), "end": render(self.moments[-2])}
        status, body, headers = await self.ask("/replay/export", person, format=kind, **window, **params)
        assert status == 200, body
        assert headers["Content-Disposition"].endswith(f'Z.{kind}"')
        return body

    async def put(self, content: bytes, tenant: str = "t1", name: str = "a clip") -> str:
        clip = Clip(io.BufferedReader(io.BytesIO(content)))
        return f"clip:{await self.parts.clips.put(clip, name, tenant, ACTOR)}"

    async def expected(self, person: str = "alice") -> tuple[list[bytes], list[bytes]]:
        """The rows that a clip must hold: its state in any order, and its events."""
        start, end = render(self.moments[1]), render(self.moments[-2])
        state = await self.text("/replay/state", person, timestamp=start)
        return sorted(state), await self.text("/replay/events", person, start=start, end=end)


@asynccontextmanager
async def site(settings: Settings, folder: Path) -> AsyncIterator[Site]:
    """Two tenants' and shared rows in several shards, created, changed and deleted between a few moments."""
    given = known(settings, folder)
    people = {name: {"Authorization": f"Bearer {token}"} for name, token in Tokens(folder).ensure().items()}
    routes = [part for module in (replay, browsing, coverage, export, clips, retention) for part in module.ROUTES]
    async with world(given) as w:
        await w.own(partitions=2)
        await w.own("d.s.shared")
        async with served(given, folder, routes) as (client, _, parts):
            found = Site(w, parts, client, people)
            found.moments.append(now() - SECOND)
            for step in range(4):
                await tell(w, step)
                found.moments.append(await settle(w))
            yield found


async def tell(w: World, step: int) -> None:
    """One step of the story."""
    second = Shard(TOPIC, 1)
    w.send_raw(RAW % (f"{step}.10", f"1.3{step}"), "u" if step else "c")
    w.send({"id": "theirs", "tenant_id": "t2", "step": step}, op="u" if step else "c", shard=second)
    w.send({"id": f"mine-{step}", "tenant_id": "t1", "geojson": '{"type":"Point","coordinates":[104,1]}'}, shard=second)
    if step:
        w.send({"id": f"mine-{step - 1}", "tenant_id": "t1", "step": step}, op="d", shard=second)
    w.send({"id": "shared", "step": step, "name": 'é"\\'}, op="u" if step else "c", shard=Shard("d.s.shared", 0))
    await w.flushed()


async def settle(w: World) -> int:
    """Until everything up to now is settled; returns when that was."""
    begun = now()
    settled: int | None = None
    w.settler._lateness = 0
    while settled is None or settled < begun:
        await w.settler.tick()
        settled = (await w.fetch("SELECT settled_instant() AS s"))[0]["s"]
    return begun


def split(rows: list[bytes], start: int) -> tuple[list[bytes], list[bytes]]:
    """Rows of a clip: its state in any order, and its events."""
    parts: tuple[list[bytes], list[bytes]] = [], []
    for row in rows:
        parts[json.loads(row)["event_timestamp"] > render(start)].append(row)
    return sorted(parts[0]), parts[1]
