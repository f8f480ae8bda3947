"""What differs between two instants is what a comparison of the two states finds, for each tenant its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import orjson
import pytest

from msr_stream.errors import BadRequest
from msr_stream.instants import MINUTE, SECOND, now
from msr_stream.recording.progress import Shard
from msr_stream.replay import DiffQuery
from msr_stream.settings import Settings
from msr_stream.store.diff import diff
from msr_stream.store.keyframes import Keyframes
from tests.world import TOPIC, World, world

OTHER = "d.s.other"


async def text_of(
    w: World, tenant: str, start: int, end: int, tables: tuple[str, ...] = (), fields: tuple[str, ...] = ()
) -> bytes:
    pieces: list[bytes] = []

    async def sink(piece: bytes) -> None:
        pieces.append(piece)

    async with w.replay.snapshot(tenant, end) as snapshot:
        snapshot.resolve(end)
        await diff(snapshot, DiffQuery(start, end, tables, fields), sink)
    return b"[" + b"".join(pieces)[1:] + b"]"


async def differing(
    w: World, tenant: str, start: int, end: int, tables: tuple[str, ...] = (), fields: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = orjson.loads(await text_of(w, tenant, start, end, tables, fields))
    return found


async def settle(w: World) -> None:
    """Until everything up to now is settled."""
    begun = now()
    settled: int | None = None
    while settled is None or settled < begun:
        await w.settler.tick()
        settled = (await w.fetch("SELECT settled_instant() AS s"))[0]["s"]


@asynccontextmanager
async def open_world(settings: Settings) -> AsyncIterator[World]:
    async with world(settings) as w:
        w.settler._lateness = 0
        await w.own(partitions=3)
        await w.own(OTHER)
        yield w


def compared(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The naive way: both states whole."""
    was = {(row["table_name"], row["entity_id"]): row["entity_state"] for row in before}
    now_ = {(row["table_name"], row["entity_id"]): row["entity_state"] for row in after}
    found: list[dict[str, Any]] = []
    for table, entity_id in sorted({*was, *now_}):
        one, other = was.get((table, entity_id)), now_.get((table, entity_id))
        about = {"table_name": table, "entity_id": entity_id}
        if one is None:
            found.append(about | {"change": "created", "entity_state": other})
        elif other is None:
            found.append(about | {"change": "deleted", "entity_state": one})
        elif one != other:
            fields = {
                name: {when: row[name] for when, row in (("before", one), ("after", other)) if name in row}
                for name in {**one, **other}
                if one.get(name, "no") != other.get(name, "no")
            }
            found.append(about | {"change": "changed", "changed": fields})
    return found


def of_fields(found: list[dict[str, Any]], after: list[dict[str, Any]], fields: set[str]) -> list[dict[str, Any]]:
    """What is answered of some columns: each state has these alone, also a changed entity's as it is."""
    now_ = {(row["table_name"], row["entity_id"]): row["entity_state"] for row in after}
    narrowed: list[dict[str, Any]] = []
    for one in sorted(found, key=lambda d: (d["table_name"], d["entity_id"])):
        state = one.get("entity_state") or now_[one["table_name"], one["entity_id"]]
        narrowed.append(one | {"entity_state": {name: value for name, value in state.items() if name in fields}})
    return narrowed


async def test_it_is_what_comparing_two_states_finds(settings: Settings) -> None:
    """Random lives of sixty entities, with deletes, re-creations, moves between tenants, and keyframes in between."""
    random = Random(11)
    async with open_world(settings) as w:
        begin = now() - 40 * MINUTE
        live: dict[tuple[str, int], str | None] = {}
        moments = sorted(random.randrange(begin, now() - MINUTE) for _ in range(500))
        for moment in moments:
            topic, number = random.choice((TOPIC, TOPIC, OTHER)), random.randrange(60)
            shard = Shard(topic, number % 3 if topic == TOPIC else 0)
            tenant = random.choice(("t1", "t1", "t1", "t2"))
            row = {"id": number, "tenant_id": tenant, "a": random.randrange(3), "b": [random.randrange(2)]}
            if random.random() < 0.3:
                row["c"] = None
            gone = (topic, number) in live and random.random() < 0.35
            w.send(row, op="d" if gone else "u" if (topic, number) in live else "c", shard=shard, ts_us=moment)
            if gone:
                del live[topic, number]
            else:
                live[topic, number] = tenant
        await w.flushed()
        await settle(w)
        chosen = sorted([begin, *moments[::60], moments[100] - 1, moments[300], moments[-1], moments[-1] + SECOND])
        for frame in (moments[150], moments[320]):
            for row in await w.fetch("SELECT shard_id FROM shard"):
                await Keyframes(w.database).build(row["shard_id"], frame)
        seen: set[str] = set()
        for tenant in ("t1", "t2", "t3"):
            states = {at: await w.state(tenant, at) for at in chosen}
            for start in chosen:
                for end in (at for at in chosen if at >= start):
                    found = await differing(w, tenant, start, end)
                    seen |= {one["change"] for one in found}
                    times = {(one["table_name"], one["entity_id"]): one.pop("event_timestamp") for one in found}
                    assert all(time > "2020" for time in times.values())
                    assert sorted(found, key=lambda d: (d["table_name"], d["entity_id"])) == compared(
                        states[start], states[end]
                    ), (tenant, start, end)
                    some = await differing(w, tenant, start, end, fields=("b", "c", "no such"))
                    assert {(d["table_name"], d["entity_id"]): d.pop("event_timestamp") for d in some} == times
                    assert sorted(some, key=lambda d: (d["table_name"], d["entity_id"])) == of_fields(
                        found, states[end], {"b", "c"}
                    ), (tenant, start, end)
                    one_table = await differing(w, tenant, start, end, ("s.other",))
                    assert [one["entity_id"] for one in one_table] == [
                        one["entity_id"] for one in found if one["table_name"] == "s.other"
                    ]
                    assert [d["entity_id"] for d in one_table] == sorted(d["entity_id"] for d in one_table)
        assert seen == {"created", "changed", "deleted"}


async def test_values_are_the_text_that_arrived(settings: Settings) -> None:
    """`1.10` and `1.1` differ, no digit is lost, and a quotation mark or a line break in a value breaks no line."""
    row = '{"id":1,"tenant_id":"t1","huge":1e400,"long":12345678901234567890123,"price":%s,"said":"a\\"\\n\\u00e9"}'
    async with open_world(settings) as w:
        w.send_raw(row % "1.10", "c")
        await w.flushed()
        await settle(w)
        at = (await w.fetch("SELECT settled_instant() AS s"))[0]["s"]
        w.send_raw(row % "1.1", "u")
        await w.flushed()
        await settle(w)
        end = (await w.fetch("SELECT settled_instant() AS s"))[0]["s"]
        assert b'"changed":{"price":{"before":1.10,"after":1.1}}}' in await text_of(w, "t1", at, end)
        told = await text_of(w, "t1", at, end, fields=("huge", "price", "said"))
        assert (
            b'"entity_state":{"huge":1e400,"price":1.1,"said":"a\\"\\n\\u00e9"},'
            b'"changed":{"price":{"before":1.10,"after":1.1}}}'
        ) in told
        created = await text_of(w, "t1", at - MINUTE, end)
        assert b'"change":"created","entity_state":' + (row % "1.1").encode() + b"}" in created


async def test_what_comes_and_goes_between_is_in_neither_and_a_return_is_a_change(settings: Settings) -> None:
    async with open_world(settings) as w:
        begin = now() - 10 * MINUTE
        for step, (number, op, value) in enumerate(
            [(1, "c", "old"), (2, "c", "same")]
        ):  # fmt: skip
            w.send({"id": number, "v": value}, op=op, ts_us=begin + step)
        for step, (number, op, value) in enumerate(
            [(1, "d", "old"), (2, "d", "same"), (3, "c", "short"), (3, "d", "short"), (1, "c", "new"), (2, "c", "same")]
        ):
            w.send({"id": number, "v": value}, op=op, ts_us=begin + MINUTE + step)
        await w.flushed()
        await settle(w)
        found = await differing(w, "t1", begin + SECOND, begin + 2 * MINUTE)
        assert [(d["entity_id"], d["change"], d["changed"]) for d in found] == [
            ("1", "changed", {"v": {"before": "old", "after": "new"}})
        ]


async def test_what_is_not_known_is_not_compared_but_named(settings: Settings) -> None:
    """A large value that nobody sent is null in a state: that is no change to null."""
    async with open_world(settings) as w:
        begin = now() - 10 * MINUTE
        placeholder = "__debezium_unavailable_value"
        w.send({"id": 1, "a": 1, "big": placeholder}, op="u", ts_us=begin)
        w.send({"id": 1, "a": 2, "big": "sent"}, op="u", ts_us=begin + MINUTE)
        await w.flushed()
        await settle(w)
        [found] = await differing(w, "t1", begin + SECOND, begin + 2 * MINUTE)
        assert (found["changed"], found["unavailable_fields"]) == ({"a": {"before": 1, "after": 2}}, ["big"])


async def test_a_table_recorded_later_is_named_as_incomplete(settings: Settings) -> None:
    async with open_world(settings) as w:
        w.send({"id": 1}, ts_us=now() - MINUTE)
        await w.flushed()
        await settle(w)
        await w.fetch("UPDATE source_table SET covered_from = $1", now() - MINUTE)
        async with w.replay.snapshot("t1", None) as snapshot:
            end = snapshot.resolve(None)
            assert await snapshot.incomplete(end, now() - 10 * MINUTE) == ["s.t"]
            assert "s.t" not in await snapshot.incomplete(end, end)
            with pytest.raises(BadRequest) as refused:
                snapshot.bounds.check_window(end, end - 1)
            assert refused.value.code == "INVALID_PLAYBACK_WINDOW"
