"""Clips over HTTP, on a real PostgreSQL: exported in every format, imported again, asked, deleted."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from aiohttp import ClientError, web
from aiohttp.test_utils import TestClient, TestServer
from mcap.reader import make_reader
from msr_local.tokens import Tokens
from pyarrow import parquet as pq

from msr_stream.clips.clip import Part, header
from msr_stream.clips.formats import encoder
from msr_stream.clips.reading import Clip
from msr_stream.errors import ClipError
from msr_stream.identity import Caller
from msr_stream.instants import DAY, SECOND, now, parse, render
from msr_stream.recording.progress import Shard
from msr_stream.runtime import Runtime
from msr_stream.settings import Settings
from msr_stream.store.audit import Actor
from msr_stream.store.database import connect_arguments
from msr_stream.store.keyframes import Keyframes
from msr_stream.store.retaining import Retaining
from msr_stream.testing import MemoryBroker, MemoryFeed
from tests.unit import conftest as environment
from tests.unit.building import NOON
from tests.world import TOPIC, World, world
from web import browsing, clips, coverage, export, replay, retention
from web.server import serve

assert environment.REQUIRED  # importing `web` builds the application, which wants an environment

#: `request["correlation_id"]` is short and known to every module of `web`.
pytestmark = pytest.mark.filterwarnings("ignore::aiohttp.web_exceptions.NotAppKeyWarning")
Client = TestClient[web.Request, web.Application]
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
    tokens = Tokens(folder)
    people = {name: {"Authorization": f"Bearer {token}"} for name, token in tokens.ensure().items()}
    given = settings.model_copy(
        update={"iams_keycloak_url": tokens.issuer, "iams_jwks_file": tokens.jwks_file, "max_lateness": 0.0}
    )

    async def nobody(*_: object) -> Any:
        raise AssertionError("this is not asked for")

    async with world(given) as w:
        await w.own(partitions=2)
        await w.own("d.s.shared")
        parts = Runtime(given, MemoryFeed(MemoryBroker(), lambda _: None, lambda: 1), nobody, nobody, nobody)
        await parts.database.open()
        try:
            application = web.Application(client_max_size=1 << 20)
            routes = [
                *replay.ROUTES,
                *browsing.ROUTES,
                *coverage.ROUTES,
                *export.ROUTES,
                *clips.ROUTES,
                *retention.ROUTES,
            ]
            serve(application, routes, given, lambda: parts)
            async with TestClient(TestServer(application), auto_decompress=True) as client:
                found = Site(w, parts, client, people)
                found.moments.append(now() - SECOND)
                for step in range(4):
                    await tell(w, step)
                    found.moments.append(await settle(w))
                yield found
        finally:
            await parts.close()


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


@pytest.fixture
async def told(settings: Settings, tmp_path: Path) -> AsyncIterator[Site]:
    async with site(settings, tmp_path) as found:
        yield found


def split(rows: list[bytes], start: int) -> tuple[list[bytes], list[bytes]]:
    """Rows of a clip: its state in any order, and its events."""
    parts: tuple[list[bytes], list[bytes]] = [], []
    for row in rows:
        parts[json.loads(row)["event_timestamp"] > render(start)].append(row)
    return sorted(parts[0]), parts[1]


async def test_ndjson_holds_the_rows_as_they_are_answered(told: Site) -> None:
    """The same text, byte by byte; a header that names no other tenant, and the count as last line."""
    lines = (await told.export("ndjson")).splitlines()
    header, ending = json.loads(lines[0]), json.loads(lines[-1])
    state, events = split(lines[1:-1], told.moments[1])
    assert (state, events) == await told.expected()
    assert header["msr_clip"] == 1
    assert (header["start"], header["end"]) == (render(told.moments[1]), render(told.moments[-2]))
    assert (header["tenant"], header["incomplete"], header["filters"]) == ("t1", [], {})
    assert ending == {"count": len(state) + len(events), "state": len(state), "events": len(events)}
    assert b"1e400" in lines[1] + lines[2] + lines[3]
    assert b"t2" not in b"".join(lines)
    assert b"theirs" not in b"".join(lines)


async def test_geojson_is_a_feature_collection_with_times(told: Site) -> None:
    body = await told.export("geojson")
    found = json.loads(body, parse_float=str, parse_int=str)
    state, events = await told.expected()
    rows = [feature["properties"] for feature in found["features"]]
    expected = [json.loads(row, parse_float=str, parse_int=str) for row in state + events]
    assert sorted(map(str, rows)) == sorted(map(str, expected))
    assert rows[len(state) :] == expected[len(state) :]
    places = {feature["properties"]["entity_id"]: feature["geometry"] for feature in found["features"]}
    assert places["shared"] is None
    assert places["raw"] == {"type": "Point", "coordinates": ["103.8", "1.32"]}
    assert found["msr_clip_end"] == {
        "count": str(len(rows)), "state": str(len(state)), "events": str(len(events)),
    }  # fmt: skip
    assert found["type"] == "FeatureCollection"


async def test_czml_moves_what_has_a_position_and_counts_what_has_not(told: Site) -> None:
    packets = json.loads(await told.export("czml"))
    state, events = await told.expected()
    assert packets[0]["id"] == "document"
    assert packets[0]["clock"]["interval"] == f"{render(told.moments[1])}/{render(told.moments[-2])}"
    counts = packets[-1]["properties"]
    without = sum(json.loads(row)["entity_id"] == "shared" for row in state + events)
    assert counts["count"] == len(state) + len(events)
    assert counts["rows_without_position"] == without
    moved = [packet["position"]["cartographicDegrees"] for packet in packets if packet["id"] == "s.t/raw"]
    assert moved[0] == [render(told.moments[1]), 103.8, 1.3, 0]
    assert [place[1:] for place in moved[1:]] == [[103.8, 1.31, 0], [103.8, 1.32, 0]]


async def test_parquet_is_a_table_with_header_and_count_in_its_metadata(told: Site) -> None:
    file = pq.ParquetFile(io.BytesIO(await told.export("parquet")))
    table = file.read()
    state, events = await told.expected()
    rows = table.to_pylist()
    found = [
        (row["part"], row["entity_id"], row["op"], row["entity_state"], row["event_timestamp"].timestamp())
        for row in rows
    ]
    assert [row[:3] for row in found[len(state) :]] == [
        ("event", row["entity_id"], row["op"]) for row in map(json.loads, events)
    ]
    for text, row in zip(events, rows[len(state) :], strict=True):
        assert row["entity_state"].encode() in text
        assert f'"event_timestamp":"{row["event_timestamp"]:%Y-%m-%dT%H:%M:%S.%f}Z"'.encode() in text
    assert {row[0] for row in found[: len(state)]} == {"state"}
    metadata = file.metadata.metadata
    assert json.loads(metadata[b"msr_clip"])["start"] == render(told.moments[1])
    assert json.loads(metadata[b"msr_clip_end"])["count"] == len(rows) == len(state) + len(events)


async def test_mcap_has_a_channel_for_each_table(told: Site) -> None:
    reader = make_reader(io.BytesIO(await told.export("mcap")), validate_crcs=True)
    found = [(channel.topic, message) for _, channel, message in reader.iter_messages(log_time_order=False)]
    state, events = split([message.data for _, message in found], told.moments[1])
    assert (state, events) == await told.expected()
    assert {topic for topic, _ in found} == {"s.t", "s.shared"}
    assert all(topic == json.loads(message.data)["table_name"] for topic, message in found)
    assert {message.log_time for _, message in found[: len(state)]} == {told.moments[1] * 1000}
    metadata = {record.name: record.metadata for record in reader.iter_metadata()}
    assert metadata["msr_clip"]["end"] == render(told.moments[-2])
    assert metadata["msr_clip_end"]["count"] == str(len(found))


@pytest.mark.parametrize("kind", ["ndjson", "mcap"])
async def test_a_clip_that_was_put_back_answers_as_the_history_did(told: Site, kind: str) -> None:
    """Byte by byte, at instants of events, between them and at both ends; and exported again it is the same clip."""
    source = await told.put(await told.export(kind))
    start, end = told.moments[1], told.moments[-2]
    instants = sorted({start, end, *(when(row) for row in (await told.expected())[1])})
    instants += [instant - 1 for instant in instants[1:]]
    for at in instants:
        moment = render(at)
        theirs = await told.text("/replay/state", timestamp=moment, source=source)
        assert sorted(theirs) == sorted(await told.text("/replay/state", timestamp=moment))
        for window in ({"start": render(start), "end": moment}, {"start": moment, "end": render(end)}):
            assert await told.text("/replay/events", **window, source=source) == await told.text(
                "/replay/events", **window
            )
    window = {"start": render(start), "end": render(end)}
    entity = await told.data("/replay/entity/s.t/mine-1", **window, source=source)
    assert entity == await told.data("/replay/entity/s.t/mine-1", **window)
    assert [event["op"] for event in entity] == ["c", "d"]
    status, again, _ = await told.ask("/replay/export", **window, source=source, format="ndjson")
    assert status == 200
    assert split(again.splitlines()[1:-1], start) == await told.expected()


async def test_a_clips_activity_is_that_of_its_window(told: Site) -> None:
    """Count by count, over all of it and over parts that begin and end within a minute; all events are in it."""
    source = await told.put(await told.export("ndjson"))
    for start, end in itertools.combinations(told.moments[1:-1], 2):
        window = {"start": render(start), "end": render(end)}
        counted = await told.data("/replay/activity", **window, source=source)
        assert counted == await told.data("/replay/activity", **window)
        events = await told.text("/replay/events", **window)
        assert sum(bucket["changes"] for bucket in counted["buckets"]) == len(events) > 0


async def test_a_clips_tables_are_those_at_its_end(told: Site) -> None:
    """Columns and newest rows as of the history then; its changes are the rows that it holds."""
    source = await told.put(await told.export("ndjson"))
    state, events = await told.expected()
    held = Counter(json.loads(row)["table_name"] for row in state + events)
    recorded = await told.data("/replay/tables", timestamp=render(told.moments[-2]))
    wanted = [(one["table_name"], one["columns"], one["last_row_at"], held[one["table_name"]]) for one in recorded]
    for moment in ({}, {"timestamp": render(told.moments[-2])}):
        found = await told.data("/replay/tables", **moment, source=source)
        assert [(one["table_name"], one["columns"], one["last_row_at"], one["changes"]) for one in found] == wanted
        assert {one["source"] for one in found} == {"clip"}


@pytest.mark.parametrize(
    "chosen",
    [{"tables": "s.shared"}, {"fields": "id,huge,step"}, {"tables": "s.t", "fields": "price"}, {"tables": "s.none"}],
    ids=lambda chosen: "-".join(chosen.values()),
)
async def test_some_tables_and_columns_of_a_clip_are_those_of_the_history(told: Site, chosen: dict[str, str]) -> None:
    source = await told.put(await told.export("ndjson"))
    start, end = render(told.moments[1]), render(told.moments[-2])
    for moment in (start, end):
        found = await told.text("/replay/state", timestamp=moment, **chosen, source=source)
        assert sorted(found) == sorted(await told.text("/replay/state", timestamp=moment, **chosen))
        assert found != await told.text("/replay/state", timestamp=moment, source=source)
    window = {"start": start, "end": end, **chosen}
    assert await told.text("/replay/events", **window, source=source) == await told.text("/replay/events", **window)


def when(row: bytes) -> int:
    return parse(json.loads(row)["event_timestamp"])


async def test_a_clip_is_in_no_other_answer(told: Site) -> None:
    before = [await told.expected(person) for person in ("alice", "bob")]
    tables = await told.data("/replay/tables")
    await told.put(await told.export("ndjson"))
    await told.put(await told.export("ndjson"), tenant="t2")
    assert [await told.expected(person) for person in ("alice", "bob")] == before
    assert await told.data("/replay/tables") == tables


async def test_a_clip_is_its_importers_tenants_alone(told: Site) -> None:
    """Shared rows in it too. Another tenant's is as one that is not there, for every route."""
    source = await told.put(await told.export("ndjson"), tenant="t2")
    window = {"start": render(told.moments[1]), "end": render(told.moments[-2])}
    for path, params in (
        ("state", {}), ("events", window), ("tables", {}), ("activity", window), ("entity/s.t/raw", window),
        ("export", window),
    ):  # fmt: skip
        assert (await told.ask(f"/replay/{path}", "alice", **params, source=source))[0] == 404
        assert (await told.ask(f"/replay/{path}", "bob", **params, source=source))[0] == 200
        assert (await told.ask(f"/replay/{path}", "bob", **params, source=f"clip:{uuid4()}"))[0] == 404
        assert (await told.ask(f"/replay/{path}", "bob", **params, source="clip:1"))[0] == 404
        assert (await told.ask(f"/replay/{path}", "bob", **params, source="d"))[0] == 400
    assert {row["entity_id"] for row in await told.data("/replay/state", "bob", source=source)} >= {"raw", "shared"}
    assert await told.data("/replay/clips", "alice") == []
    [clip] = await told.data("/replay/clips", "bob")
    assert (f"clip:{clip['id']}", clip["tenant_id"], clip["name"]) == (source, "t2", "a clip")


async def test_what_knows_no_clips_says_so(told: Site) -> None:
    source = await told.put(await told.export("ndjson"))
    window = {"start": render(told.moments[1]), "end": render(told.moments[-2])}
    window |= {"from": window["start"], "to": window["end"]}
    for path in ("coverage", "clips", "diff"):
        status, body, _ = await told.ask(f"/replay/{path}", **window, source=source)
        assert (status, json.loads(body)["details"][0]["field"]) == (400, "source")


async def test_a_clips_bounds_are_its_own(told: Site) -> None:
    """Its end is what is settled, and the latest there is."""
    source = await told.put(await told.export("ndjson"))
    start, end = told.moments[1], told.moments[-2]
    span = await told.data("/replay/range", source=source)
    assert (span["earliest"], span["settled_until"]) == (render(start), render(end))
    status, body, headers = await told.ask("/replay/state", source=source)
    assert (status, headers["X-Settled-Until"]) == (200, render(end))
    assert sorted(json.loads(body)["data"], key=str) == sorted(
        await told.data("/replay/state", timestamp=render(end)), key=str
    )
    for moment, which in ((start - 1, "earliest"), (end + 1, "latest")):
        status, body, _ = await told.ask("/replay/state", source=source, timestamp=render(moment))
        assert (status, json.loads(body)["errorCode"]) == (400, "TIMESTAMP_OUT_OF_RANGE")
        assert json.loads(body)["details"] == [{which: render({"earliest": start, "latest": end}[which])}]
    window = {"start": render(end), "end": render(start)}
    status, body, _ = await told.ask("/replay/events", source=source, **window)
    assert (status, json.loads(body)["errorCode"]) == (400, "INVALID_PLAYBACK_WINDOW")


async def test_answers_of_two_clips_and_of_the_history_are_kept_apart(told: Site) -> None:
    """Each has a tag of its own, is not sent again to who has it, and a deleted clip's answer is gone at once."""
    first = await told.put(await told.export("ndjson"))
    second = await told.put(await told.export("ndjson"))
    moment = {"timestamp": render(told.moments[-2]), "encoding": "gzip"}
    tags = set()
    for source in ({"source": first}, {"source": second}, {}):
        for _ in range(2):
            _, _, headers = await told.ask("/replay/state", **moment, **source)
            tags.add(headers["ETag"])
        status, _, _ = await told.ask("/replay/state", **moment, **source, more={"If-None-Match": headers["ETag"]})
        assert status == 304
    assert len(tags) == 3
    assert await told.delete(f"/admin/clips/{first.removeprefix('clip:')}", "root") == 204
    for more in ({}, {"If-None-Match": headers["ETag"]}):
        assert (await told.ask("/replay/state", **moment, source=first, more=more))[0] == 404
    assert (await told.ask("/replay/state", **moment, source=second))[0] == 200


async def test_a_clip_is_deleted_by_who_administers_its_tenant(told: Site) -> None:
    """With all its rows, and it is noted."""
    source = await told.put(await told.export("ndjson"), tenant="t2")
    path = f"/admin/clips/{source.removeprefix('clip:')}"
    assert await told.delete(path, "bob") == 403
    assert await told.delete(path, "admin") == 404  # of tenant t1
    assert (await told.w.fetch("SELECT count(*) FROM clip_event"))[0][0] > 0
    assert await told.delete(path, "root") == 204
    assert await told.delete(path, "root") == 404
    assert (await told.w.fetch("SELECT count(*) FROM clip_event"))[0][0] == 0
    noted = await told.w.fetch("SELECT action, subject, tenant_id FROM audit ORDER BY audit_id")
    assert [tuple(row) for row in noted] == [
        (action, source.removeprefix("clip:"), "t2") for action in ("clip.import", "clip.delete")
    ]


async def test_neither_retention_nor_an_erasure_reaches_a_clip(told: Site) -> None:
    """They raise the epoch, and take out of the history what the clip still tells."""
    source = await told.put(await told.export("ndjson"))
    before = await told.text("/replay/state", source=source)
    await told.parts.retention.erase("s.t", "raw", "asked for", ACTOR)
    await told.w.fetch("UPDATE history_epoch SET epoch = epoch + 1, retained_from = $1", now() + DAY)
    assert (await told.ask("/replay/state", timestamp=render(told.moments[-2])))[0] == 400
    assert await told.text("/replay/state", source=source) == before


async def test_retention_that_removes_all_that_a_clip_tells_leaves_the_clip(told: Site) -> None:
    """The run itself, eight days later: of the history nothing of the window is left, of the clip every row."""
    source = await told.put(await told.export("ndjson"))
    window = {"start": render(told.moments[1]), "end": render(told.moments[-2])}
    before = [
        await told.text("/replay/state", source=source),
        await told.text("/replay/events", **window, source=source),
    ]
    await told.w.fetch("UPDATE configuration SET value = '7' WHERE key = 'max_playback_range'")
    await told.w.fetch("UPDATE shard SET settled_until = $1", now() + 9 * DAY)
    keyframes = Keyframes(told.w.database)
    plan = await Retaining(told.w.settings, told.w.database, keyframes, lambda: now() + 8 * DAY, patience=5).run()
    assert plan is not None
    assert plan.rows > 0
    assert (await told.w.fetch("SELECT count(*) FROM cdc_event"))[0][0] == 0
    assert (await told.ask("/replay/events", **window))[0] == 400
    assert before == [
        await told.text("/replay/state", source=source),
        await told.text("/replay/events", **window, source=source),
    ]
    assert await told.data("/replay/clips") != []


async def test_what_a_clip_may_not_have_all_of_is_told_by_it_for_ever(told: Site) -> None:
    await told.w.fetch("UPDATE source_table SET retained_from = $1 WHERE table_name = 's.shared'", now())
    content = await told.export("ndjson")
    assert json.loads(content.splitlines()[0])["incomplete"] == ["s.shared"]
    await told.w.fetch("UPDATE source_table SET retained_from = NULL")
    source = await told.put(content)
    _, body, headers = await told.ask("/replay/state", source=source)
    assert (headers["X-Incomplete"], json.loads(body)["incomplete"]) == ("s.shared", ["s.shared"])


async def test_filters_of_an_export_are_applied_and_told(told: Site) -> None:
    since = render(told.moments[3])
    content = await told.export("ndjson", filter_tables="s.shared", filter_min_timestamp=since)
    lines = content.splitlines()
    assert json.loads(lines[0])["filters"] == {"filter_tables": ["s.shared"], "filter_min_timestamp": [since]}
    assert not any(json.loads(line)["table_name"] == "s.shared" for line in lines[1:-1])
    assert len(lines) > 5


async def test_windows_and_formats_that_are_not_valid_are_refused(told: Site) -> None:
    start, end = render(told.moments[1]), render(told.moments[-2])
    for params, code in (
        ({"start": end, "end": start}, "INVALID_PLAYBACK_WINDOW"),
        ({"start": start}, "VALIDATION_FAILED"),
        ({"start": start, "end": end, "format": "csv"}, "VALIDATION_FAILED"),
        ({"start": start, "end": render(now() + DAY)}, "TIMESTAMP_OUT_OF_RANGE"),
        ({"start": render(now() - 400 * DAY), "end": end}, "INVALID_PLAYBACK_WINDOW"),
    ):
        status, body, _ = await told.ask("/replay/export", **params)
        assert (status, json.loads(body)["errorCode"]) == (400, code), params


async def test_nothing_of_a_broken_file_is_imported(told: Site) -> None:
    """The error names the line, or the message."""
    lines = (await told.export("ndjson")).splitlines(keepends=True)
    last = len(lines)
    for broken, said in (
        (lines[:-1], "it was cut"),
        ([*lines[:3], lines[3][:-9]], "line 4: the line does not end"),
        ([*lines[:3], b"{}\n", *lines[4:]], "line 4: Object missing required field"),
        ([lines[0], lines[1], lines[1], *lines[2:-1], recount(lines[-1])], "line 3: an entity that is in the state"),
        ([*lines[:-1], recount(lines[-1])], f"line {last}: it counts"),
        ([*lines, lines[-1]], f"line {last + 1}: nothing may come after"),
        ([*lines[:2], lines[-2], *lines[2:]], "line 4: a row of the state after an event"),
        (lines[1:], "line 1: "),
        ([lines[0].replace(b'"msr_clip":1', b'"msr_clip":2'), *lines[1:]], "line 1: this is a clip of version 2"),
        ([], "no clip"),
        ([lines[0].replace(b'"incomplete":[]', b'"incomplete":["\\u0000"]'), *lines[1:]], "the database refuses"),
        (
            [
                *lines[:3],
                lines[3].replace(b'"entity_id":"', b'"entity_id":"' + os.urandom(9000).hex().encode()),
                *lines[4:],
            ],
            "the database refuses",
        ),
    ):
        with pytest.raises(ClipError, match=said):
            await told.put(b"".join(broken))
    content = await told.export("mcap")
    for length in (20, len(content) // 2, len(content) - 9, len(content) - 1):
        with pytest.raises(ClipError):
            await told.put(content[:length])
    assert (await told.w.fetch("SELECT count(*) FROM clip"))[0][0] == 0
    assert (await told.w.fetch("SELECT count(*) FROM clip_event"))[0][0] == 0


def recount(line: bytes) -> bytes:
    """An ending that counts one row of the state more."""
    found = json.loads(line)
    return (
        json.dumps(found | {"count": found["count"] + 1, "state": found["state"] + 1}, separators=(",", ":")).encode()
        + b"\n"
    )


def command(settings: Settings, *arguments: str) -> tuple[int, str, str]:
    """Run `python -m msr_stream …` with a worker's settings; returns its exit code and what it said."""
    wanted = (
        "database_host",
        "database_port",
        "database_name",
        "database_user",
        "database_schema",
        "iams_keycloak_url",
    )
    variables = {name.upper(): str(getattr(settings, name)) for name in wanted}
    variables |= {"KAFKA_BROKERS": settings.kafka_brokers[0], "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-m", "msr_stream", *arguments],
        env=variables, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


async def test_the_command_line_imports_lists_and_deletes(told: Site, tmp_path: Path) -> None:
    """Its tenant is named, never taken from the file; an error is one line."""
    settings, file = told.parts.settings, tmp_path / "a.ndjson"
    file.write_bytes(await told.export("ndjson"))

    async def run(*arguments: str) -> tuple[int, str, str]:
        return await asyncio.to_thread(command, settings, *arguments)

    assert (await run("import", "clip", str(file)))[0] == 2
    code, clip_id, said = await run("import", "clip", str(file), "--tenant", "t2", "--name", "Exercise 7")
    assert (code, said) == (0, "")
    assert len(await told.data("/replay/state", "bob", source=f"clip:{clip_id.strip()}")) == 3
    code, listed, _ = await run("clips")
    assert code == 0
    assert listed.startswith(f"{clip_id.strip()}  t2  {render(told.moments[1])}/{render(told.moments[-2])}  3+")
    assert listed.endswith("  Exercise 7\n")
    assert await run("clips", "delete", clip_id.strip()) == (0, "", "")
    code, _, said = await run("clips", "delete", clip_id.strip())
    assert (code, said) == (1, f"msr: there is no clip {clip_id.strip()}\n")
    file.write_bytes(b"\n")
    code, _, said = await run("import", "clip", str(file), "--tenant", "t2")
    assert code == 1
    assert said.startswith("msr: line 1: ")
    assert said.count("\n") == 1
    assert await run("clips") == (0, "", "")


async def test_the_reading_role_sees_clips_through_views_alone(told: Site) -> None:
    """Whatever a query forgets: a tenant's own clips, and without a tenant none."""
    for tenant in ("t1", "t2"):
        await told.put(await told.export("ndjson"), tenant=tenant)
    settings = told.parts.settings
    connection: Any = await asyncpg.connect(
        **connect_arguments(settings), server_settings={"search_path": settings.database_schema}
    )
    try:
        await connection.execute(f"SET ROLE {settings.database_reader_role}")
        for tenant, seen in (("", set()), ("t1", {"t1"}), ("t2", {"t2"}), ("t3", set())):
            await connection.execute("SELECT set_config('msr.tenant', $1, false)", tenant)
            for view in ("v_clip", "v_clip_event"):
                found = await connection.fetch(f"SELECT DISTINCT tenant_id FROM {view}")
                assert {row["tenant_id"] for row in found} == seen
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.fetch(f"SELECT FROM {view.removeprefix('v_')}")
    finally:
        await connection.close()


def long_clip(rows: int) -> bytes:
    """A clip much longer than what lies between two ends of a connection, in every format."""
    start, end = NOON, NOON + 3600 * SECOND
    clip = encoder("ndjson", header("t1", (start, end), end, [], {}))
    name = "an entity with a long name " * 8
    lines = "".join(
        f',{{"entity_id":"{name}{number}","entity_state":{{"lat":1.{number},"lon":103.{number},'
        f'"text":"{os.urandom(600).hex()}"}},"op":"c","event_timestamp":"{clip.header.start}","table_name":"s.t"}}\n'
        for number in range(rows)
    )
    return clip.begin() + clip.rows(Part.STATE, lines.encode()) + clip.end()


async def test_an_export_that_fails_half_way_resets_the_connection(told: Site) -> None:
    """A file that was cut never looks complete: the database ends the reading after the first bytes have gone out."""
    source = await told.put(long_clip(30_000))
    headers = {**told._people["alice"], "Accept-Encoding": "identity"}
    window = {"start": render(NOON), "end": render(NOON + 3600 * SECOND), "source": source}
    for kind in ("ndjson", "geojson", "czml", "parquet", "mcap"):
        async with told.client.get("/replay/export", params={**window, "format": kind}, headers=headers) as answer:
            assert answer.status == 200
            assert await answer.content.readany()
            assert await told.w.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'msr replay%' AND state = 'active'"
            )
            with pytest.raises((ClientError, OSError)):
                await answer.read()
