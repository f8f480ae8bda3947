"""Clips that were put back, on a real PostgreSQL: asked like the history, seen by their tenant alone, deleted."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from msr_stream.instants import DAY, now, parse, render
from msr_stream.settings import Settings
from msr_stream.store.database import connect_arguments
from msr_stream.store.keyframes import Keyframes
from msr_stream.store.retaining import Retaining
from tests.clip_site import ACTOR, Site, site, split

#: `request["correlation_id"]` is short and known to every module of `web`.
pytestmark = pytest.mark.filterwarnings("ignore::aiohttp.web_exceptions.NotAppKeyWarning")


@pytest.fixture
async def told(settings: Settings, tmp_path: Path) -> AsyncIterator[Site]:
    async with site(settings, tmp_path) as found:
        yield found


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
