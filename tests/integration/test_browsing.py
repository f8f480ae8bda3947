"""Activity, tables and an entity's history, held against what was sent; each tenant sees its own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import orjson
import pytest

from msr_stream import instants
from msr_stream.identity import Caller
from msr_stream.instants import DAY, HOUR, MINUTE, SECOND, now
from msr_stream.paging import Page
from msr_stream.recording.progress import Shard
from msr_stream.settings import Settings
from msr_stream.store import activity as counting
from msr_stream.store import browsing
from msr_stream.store.audit import Actor
from msr_stream.store.counting import SPANS
from msr_stream.store.keyframes import Keyframes
from msr_stream.store.migrations import migrations
from msr_stream.store.retaining import Retaining
from msr_stream.store.retention import Retention
from msr_stream.store.snapshot import Snapshot
from tests.world import TOPIC, World, world

#: What JSON numbers lose when they are read as numbers.
ACTOR = Actor(Caller("u1", "root", None, frozenset()), "8a3cbf0c-7d5a-4dc8-8f0e-1d9b8d2b7a10")
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
        counted = await counting.activity(s, before - 10 * MINUTE, end, 5)
        [table] = await counting.tables(s, end)
        seen: Counter[str] = Counter()
        events = await w.events(tenant, before, end)
        for event in events:
            seen[event["op"]] += 1
    found: Counter[str] = Counter()
    for bucket in counted["buckets"]:
        found[bucket["op"]] += bucket["changes"]
    assert found == seen
    assert sum(found.values()) == table["changes"] == changes
    assert counted["bucket_seconds"] % 60 == 0
    assert len({bucket["begin"] for bucket in counted["buckets"]}) <= 5
    assert (table["table_name"], table["source"]) == ("s.t", "d")
    assert table["first_change_at"] == events[0]["event_timestamp"]
    assert table["last_change_at"] == events[-1]["event_timestamp"], "a delete is a change too"
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


SUMS = """SELECT count(*) FROM (
    SELECT span, date_bin(make_interval(secs => span), bucket, 'epoch'), shard_id, table_name, tenant_id, op,
           sum(changes)::bigint
    FROM activity CROSS JOIN (VALUES (3600), (86400)) s (span) GROUP BY 1, 2, 3, 4, 5, 6) a
FULL JOIN activity_total t ON t = ROW(a.*)::activity_total WHERE t IS NULL OR a IS NULL"""


@asynccontextmanager
async def long_told(settings: Settings) -> AsyncIterator[tuple[World, int, int]]:
    """A week of two tenants and shared rows in two shards, at instants on and beside minutes, hours and days."""
    end = now()
    begin = end - 7 * DAY
    async with world(settings) as w:
        w.settler._lateness = 0
        await w.own(partitions=2)
        random = Random(7)
        moments = [random.randrange(begin, end - MINUTE) for _ in range(120)]
        moments += [moment // unit * unit + step for moment in moments[:12] for unit in (DAY, HOUR, MINUTE)
                    for step in (-1, 0, 1) if moment // unit * unit > begin]  # fmt: skip
        for number, moment in enumerate(sorted(moments)):
            tenant = ("t1", "t2", None)[number % 3]
            op, entity = (
                ("d", number - 6) if number % 7 == 6 else ("c", number)
            )  # its shard and its tenant are the same
            row = {"id": entity, **({"tenant_id": tenant} if tenant else {})}
            w.send(row, op=op, shard=Shard(TOPIC, number % 2), ts_us=moment)
        await w.flushed()
        await settle(w)
        yield w, begin, end


async def test_activity_is_exact_wherever_its_window_begins_and_ends(settings: Settings) -> None:
    """Days, hours, minutes and events together count what came after the start and up to the end, in each bucket."""
    async with long_told(settings) as (w, begin, end):
        times = [row["t"] for row in await w.fetch("SELECT event_timestamp AS t FROM cdc_event ORDER BY 1")]
        random = Random(1)
        edges = [begin + random.randrange(7 * DAY - MINUTE) for _ in range(8)]
        edges += [*times[::25], begin, end - MINUTE]
        for tenant in ("t1", "t2"):
            seen = [
                row["t"] for row in await w.fetch(
                    "SELECT event_timestamp AS t FROM cdc_event WHERE tenant_id IS NULL OR tenant_id = $1", tenant)
            ]  # fmt: skip
            async with snapshot(w, tenant) as s:
                for start, stop, buckets in [
                    (a, b, random.choice((1, 3, 50, 400))) for a in edges for b in edges if a <= b
                ]:
                    found = await counting.activity(s, start, stop, buckets)
                    length = found["bucket_seconds"] * SECOND
                    got: Counter[int] = Counter()
                    for bucket in found["buckets"]:
                        got[instants.parse(bucket["begin"])] += bucket["changes"]
                    unit = max(span for span in SPANS if length % span == 0)
                    first = start // unit * unit
                    wanted = Counter(
                        first + (moment - first) // length * length for moment in seen if start < moment <= stop
                    )
                    assert got == wanted, (start, stop, buckets)
                    assert (stop - first) // length < buckets


async def test_a_table_is_told_as_it_was_at_any_instant(settings: Settings) -> None:
    """Its first and last change and its newest row: days, hours, minutes and events say where these are."""
    async with long_told(settings) as (w, begin, _):
        for tenant in ("t1", "t2"):
            events = await w.fetch(
                "SELECT event_timestamp AS t, op FROM cdc_event WHERE tenant_id IS NULL OR tenant_id = $1", tenant
            )
            times = sorted(event["t"] for event in events)
            random = Random(2)
            moments = [begin + random.randrange(7 * DAY - MINUTE) for _ in range(30)]
            moments += [time + step for time in times[::4] for step in (-1, 0, 1, SECOND)]
            async with snapshot(w, tenant) as s:
                for at in [*moments, s.resolve(None)]:
                    found = [
                        {name: table[name] for name in ("changes", "first_change_at", "last_change_at", "last_row_at")}
                        for table in await counting.tables(s, at)
                    ]
                    assert found == _as_it_was([event for event in events if event["t"] <= at]), instants.render(at)


def _as_it_was(events: list[Any]) -> list[dict[str, Any]]:
    if not events:
        return []
    times, rows = [event["t"] for event in events], [event["t"] for event in events if event["op"] != "d"]
    return [
        {
            "changes": len(events),
            "first_change_at": instants.render(min(times)),
            "last_change_at": instants.render(max(times)),
            "last_row_at": instants.render(max(rows)) if rows else None,
        }
    ]


async def test_hours_and_days_are_the_sums_of_their_minutes_whatever_changes_them(settings: Settings) -> None:
    """Counted, counted again, erased, cut: nothing that changes minutes has to know of the sums."""
    async with long_told(settings) as (w, begin, _):
        assert (await w.fetch("SELECT count(*) FROM activity_total"))[0][0] > 20
        assert (await w.fetch(SUMS))[0][0] == 0
        await Retention(w.database).erase("s.t", "5", "asked", ACTOR)
        assert (await w.fetch(SUMS))[0][0] == 0
        assert (await w.fetch("SELECT count(*) FROM activity_total WHERE changes <= 0"))[0][0] == 0
        await w.fetch("DELETE FROM activity WHERE bucket < $1", begin + 3 * DAY + 5 * MINUTE)
        assert (await w.fetch(SUMS))[0][0] == 0
        for number in range(3):
            w.send({"id": f"more{number}"}, ts_us=now())
            await w.flushed()
        assert (await w.fetch(SUMS))[0][0] == 0


async def test_a_table_untouched_since_the_cutoff_is_still_there(settings: Settings) -> None:
    """Retention has taken its changes with their counts; its entities live on in a keyframe, and only there."""
    async with world(settings) as w:
        w.settler._lateness = 0
        await w.own()
        written = w.send({"id": 1, "tenant_id": "t1", "name": "old"}, ts_us=now() - 20 * DAY)
        await w.flushed()
        await settle(w)
        await w.fetch("UPDATE configuration SET value = '7' WHERE key = 'max_playback_range'")
        assert await Retaining(w.settings, w.database, Keyframes(w.database), patience=5).run() is not None
        assert (await w.fetch("SELECT count(*) FROM cdc_event"))[0][0] == 0
        assert [row["entity_id"] for row in await w.state("t1")] == ["1"]
        async with snapshot(w, "t1") as s:
            [table] = await counting.tables(s, s.resolve(None))
        assert table == {
            "table_name": "s.t", "source": "d", "columns": ["id", "tenant_id", "name"], "wide": [], "key": ["id"],
            "location": None, "changes": 0,
            "first_minute": None, "first_change_at": None, "last_change_at": None,
            "last_row_at": instants.render(written),
        }  # fmt: skip
        async with snapshot(w, "t2") as s:
            assert await counting.tables(s, s.resolve(None)) == []


async def test_minutes_that_were_counted_before_are_summed_up_by_the_migration(settings: Settings) -> None:
    """A history that is there already: its hours and days are made from its minutes."""
    async with long_told(settings) as (w, _, _):
        [migration] = [one for one in migrations("postgres") if one.name == "activity"]
        fill = migration.sql[migration.sql.index("INSERT INTO activity_total") :].split(";")[0]
        before = await w.fetch("SELECT count(*), sum(changes) FROM activity_total")
        await w.fetch("DELETE FROM activity_total")
        await w.fetch(fill)
        assert await w.fetch("SELECT count(*), sum(changes) FROM activity_total") == before
        assert (await w.fetch(SUMS))[0][0] == 0
