"""Activity, tables and an entity's history, held against what was sent; each tenant sees its own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from msr_stream.instants import MINUTE, SECOND, now
from msr_stream.paging import Page
from msr_stream.settings import Settings
from msr_stream.store import browsing
from msr_stream.store.keyframes import Keyframes
from msr_stream.store.replay import Snapshot
from tests.world import World, world

#: What JSON numbers lose when they are read as numbers.
RAW = '{"id":1,"tenant_id":"t1","huge":1e400,"long":12345678901234567890123,"price":%s}'


@asynccontextmanager
async def snapshot(w: World, tenant: str) -> AsyncIterator[Snapshot]:
    async with w.replay.snapshot(tenant, None) as found:
        yield found


async def settle(w: World) -> None:
    """Until everything up to now is settled."""
    begun = now()
    settled: int | None = None
    while settled is None or settled < begun:
        await w.settler.tick()
        settled = (await w.fetch("SELECT settled_instant() AS s"))[0]["s"]


@pytest.fixture
async def told(settings: Settings) -> AsyncIterator[tuple[World, int]]:
    """A world with some history, and the instant before it."""
    before = now() - SECOND
    async with world(settings) as w:
        w.settler._lateness = 0
        await w.own(partitions=2)
        for price in ("1.10", "1.10", "1.1"):
            w.send_raw(RAW % price, "u" if w.number else "c")
        w.send({"id": 2, "tenant_id": "t2", "name": "theirs"})
        w.send({"id": 3, "name": "shared"})
        w.send({"id": 3, "name": "shared"}, op="d")
        await w.flushed()
        await settle(w)
        yield w, before


async def test_an_entitys_history_names_the_fields_that_changed(told: tuple[World, int]) -> None:
    """Values as the text that arrived: `1.10` and `1.1` differ, and no digit is lost."""
    w, before = told
    async with snapshot(w, "t1") as s:
        found, total = await browsing.entity(s, "s.t", "1", (before, s.resolve(None)), Page(1, 10))
        text = orjson.dumps(found).decode()
    assert total == 3
    assert [event["op"] for event in found] == ["c", "u", "u"]
    assert text.count('"huge":1e400,"long":12345678901234567890123') == 3
    assert '"changed":{"price":{"before":1.10,"after":1.1}}' in text
    assert [sorted(event["changed"]) for event in found] == [
        ["huge", "id", "long", "price", "tenant_id"], [], ["price"],
    ]  # fmt: skip


async def test_a_history_of_some_fields_has_no_others(told: tuple[World, int]) -> None:
    """Neither in the row nor among what has changed; what is left is the text that arrived."""
    w, before = told
    async with snapshot(w, "t1") as s:
        window = before, s.resolve(None)
        found, total = await browsing.entity(s, "s.t", "1", window, Page(1, 10), ("price", "no such"))
        others, _ = await browsing.entity(s, "s.t", "1", window, Page(1, 10), ("huge",))
    assert total == 3
    assert [orjson.dumps(event["entity_state"]).decode() for event in found] == [
        '{"price":1.10}', '{"price":1.10}', '{"price":1.1}',
    ]  # fmt: skip
    assert [orjson.dumps(event["changed"]).decode() for event in found] == [
        '{"price":{"after":1.10}}', "{}", '{"price":{"before":1.10,"after":1.1}}',
    ]  # fmt: skip
    assert [list(event["changed"]) for event in others] == [["huge"], [], []]


async def test_pages_of_a_history_are_the_history(told: tuple[World, int]) -> None:
    w, before = told
    async with snapshot(w, "t1") as s:
        window = before, s.resolve(None)
        whole, _ = await browsing.entity(s, "s.t", "1", window, Page(1, 10))
        pages = [await browsing.entity(s, "s.t", "1", window, Page(number, 1)) for number in (1, 2, 3, 4)]
    assert [total for _, total in pages] == [3, 3, 3, 3]
    assert orjson.dumps([event for found, _ in pages for event in found]) == orjson.dumps(whole)


async def test_what_a_delete_leaves_is_nothing(told: tuple[World, int]) -> None:
    w, before = told
    async with snapshot(w, "t2") as s:
        found, _ = await browsing.entity(s, "s.t", "3", (before, s.resolve(None)), Page(1, 10))
        text = json.loads(orjson.dumps(found))
    assert [event["op"] for event in text] == ["c", "d"]
    assert text[1]["changed"] == {"id": {"before": 3}, "name": {"before": "shared"}}
    assert text[1]["entity_state"] == {"id": 3, "name": "shared"}


@pytest.mark.parametrize(("tenant", "changes"), [("t1", 5), ("t2", 3), ("t3", 2)])
async def test_activity_and_tables_count_what_the_tenant_sees(
    told: tuple[World, int], tenant: str, changes: int
) -> None:
    w, before = told
    async with snapshot(w, tenant) as s:
        end = s.resolve(None)
        counted = await browsing.activity(s, before - 10 * MINUTE, end, 5)
        [table] = await browsing.tables(s, end)
        seen: Counter[str] = Counter()
        for event in await w.events(tenant, before, end):
            seen[event["op"]] += 1
    found: Counter[str] = Counter()
    for bucket in counted["buckets"]:
        found[bucket["op"]] += bucket["changes"]
    assert found == seen
    assert sum(found.values()) == table["changes"] == changes
    assert counted["bucket_seconds"] % 60 == 0
    assert len({bucket["begin"] for bucket in counted["buckets"]}) <= 5
    assert (table["table_name"], table["source"]) == ("s.t", "d")
    assert "theirs" not in json.dumps(table)


async def test_what_was_there_before_may_be_in_a_keyframe_alone(told: tuple[World, int]) -> None:
    """After retention: the first event that is left names what it has changed, not everything."""
    w, _ = told
    async with snapshot(w, "t1") as s:
        cut = s.resolve(None)
    for row in await w.fetch("SELECT shard_id FROM shard"):
        await Keyframes(w.database).build(row["shard_id"], cut)
    await w.fetch("DELETE FROM cdc_event WHERE event_timestamp <= $1", cut)
    w.send_raw(RAW % "2.50", "u")
    await w.flushed()
    await settle(w)
    async with snapshot(w, "t1") as s:
        found, total = await browsing.entity(s, "s.t", "1", (cut, s.resolve(None)), Page(1, 10))
    assert total == 1
    assert orjson.dumps(found[0]["changed"]) == b'{"price":{"before":1.1,"after":2.50}}'


async def test_another_tenants_entity_has_no_history(told: tuple[World, int]) -> None:
    w, before = told
    async with snapshot(w, "t1") as s:
        found: Any = await browsing.entity(s, "s.t", "2", (before, s.resolve(None)), Page(1, 10))
    assert found == ([], 0)
