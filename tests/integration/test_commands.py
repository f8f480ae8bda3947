"""Truncates on a real PostgreSQL: exactly the rows before one are ended, once, in every shard, whoever is ahead."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest

from msr_stream.instants import SECOND, now
from msr_stream.recording.progress import Shard
from msr_stream.settings import Settings
from msr_stream.testing import MemoryBroker
from tests.integration.test_sources_admin import ACTOR, administration, settle
from tests.world import TOPIC, World, until, world

A, B = Shard(TOPIC, 0), Shard(TOPIC, 1)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A source without markers is settled up to a twentieth of a second ago."""
    return settings.model_copy(update={"max_lateness": 0.05})


def truncate(w: World, shard: Shard = A, *, number: int | None = None, **source: Any) -> None:
    """Write a truncate of the topic's table to a shard, as Debezium does: without key and rows."""
    if number is None:
        w.number += 1
        number = w.number
    name, schema, table = shard.topic.split(".")
    block = {
        "name": name, "schema": schema, "table": table, "snapshot": "false", "ts_us": now(), "lsn": number,
        "txId": number, "sequence": json.dumps([str(number - 1), str(number)]),
    } | source  # fmt: skip
    value = {"before": None, "after": None, "source": block, "op": "t"}
    w.write(None, json.dumps(value).encode(), shard)


def put(w: World, shard: Shard, *ids: int, **more: Any) -> None:
    """Insert rows."""
    for number in ids:
        w.send({"id": number, "tenant_id": "t1", "n": number}, shard=shard, **more)


async def live(w: World, at: int | None = None) -> list[str]:
    """The entities that are there, at S unless said otherwise."""
    return sorted(row["entity_id"] for row in await w.state("t1", at))


async def applied(w: World) -> None:
    """Everything is recorded, settled up to now, and no command is left to apply."""
    await w.flushed()
    await settle(w)
    assert await w.fetch("SELECT * FROM table_command_due") == []
    assert await w.fetch("SELECT * FROM shard WHERE held_until IS NOT NULL") == []


async def positions(w: World) -> None:
    """Positions have no gap, and times never run back."""
    for shard in await w.fetch("SELECT * FROM shard"):
        rows = await w.fetch(
            "SELECT position, event_timestamp FROM cdc_event WHERE shard_id = $1 ORDER BY position", shard["shard_id"]
        )
        assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
        times = [row["event_timestamp"] for row in rows]
        assert times == sorted(times)
        assert (shard["last_position"], shard["events"]) == (len(rows), len(rows))


async def test_a_truncate_ends_what_was_before_it_in_every_shard_with_last_state_and_tenant(settings: Settings) -> None:
    async with world(settings) as w:
        await w.own(partitions=3)
        put(w, A, 1, 2)
        put(w, B, 3)
        await w.flushed()
        before = await settle(w)
        truncate(w)
        put(w, A, 4)
        await applied(w)
        after = now()
        await settle(w)
        assert await live(w, before) == ["1", "2", "3"]
        assert await live(w) == ["4"]
        ended = [event for event in await w.events("t1", before, after) if event["op"] == "d"]
        assert sorted((one["entity_id"], one["entity_state"]["n"]) for one in ended) == [("1", 1), ("2", 2), ("3", 3)]
        assert len({one["event_timestamp"] for one in ended}) == 1
        [command] = await w.fetch("SELECT * FROM table_command")
        assert (command["entities"], command["kind"], command["table_name"]) == (3, "truncate", "s.t")
        counted = await w.fetch("SELECT sum(changes)::int AS n FROM activity WHERE op = 'd' AND tenant_id = 't1'")
        assert counted[0]["n"] == 3
        assert await w.fetch("SELECT * FROM dead_letter") == []
        assert sum(row["live_entities"] for row in await w.fetch("SELECT live_entities FROM shard")) == 1
        await positions(w)


async def test_a_shard_that_is_behind_ends_them_before_its_first_later_record(settings: Settings) -> None:
    """Also an entity that comes again after the truncate: it is deleted in between, and lives on."""
    async with world(settings, run_length=2) as w:
        await w.own(partitions=2)
        await w.flushed()
        await w.recorder.revoke([B])
        put(w, B, 1, 2, 3)
        truncate(w)
        put(w, B, 2, 4)
        await w.flushed()
        w.recorder.assign([B])
        await applied(w)
        log = await w.fetch("SELECT op, entity_id FROM cdc_event ORDER BY position")
        assert [tuple(row) for row in log] == [
            ("c", "1"), ("c", "2"), ("c", "3"), ("d", "1"), ("d", "2"), ("d", "3"), ("c", "2"), ("c", "4"),
        ]  # fmt: skip
        assert await live(w) == ["2", "4"]
        await positions(w)


async def test_a_shard_that_is_ahead_spares_what_came_after(settings: Settings) -> None:
    """The truncate is read only when the other shard has recorded later changes: the pair tells them apart."""
    async with world(settings) as w:
        await w.own(partitions=2)
        await w.flushed()
        await w.recorder.revoke([A])
        put(w, B, 1, 2, 3)
        w.number += 1
        number, commit = w.number, now()
        put(w, B, 2, 4)
        await w.flushed()
        truncate(w, number=number, ts_us=commit)
        w.recorder.assign([A])
        await applied(w)
        assert await live(w) == ["2", "4"]
        await positions(w)


async def test_rows_without_a_pair_are_placed_by_their_time(settings: Settings) -> None:
    """Snapshot reads have no log numbers: those read after the truncate stay, those before it end."""
    async with world(settings) as w:
        await w.own(partitions=2)
        read = {"op": "r", "snapshot": "true", "sequence": '[null, "1"]'}
        put(w, A, 1, **read, ts_us=now() - 10)
        put(w, B, 2, **read, ts_us=now() - 10)
        await w.flushed()
        await w.recorder.revoke([A])
        commit = now()
        put(w, B, 3, **read, ts_us=commit + 10)
        await w.flushed()
        truncate(w, ts_us=commit)
        w.recorder.assign([A])
        await applied(w)
        assert await live(w) == ["3"]


async def test_one_statement_truncates_several_tables(settings: Settings) -> None:
    """Each has a record of its own in a topic of its own, of the same number and transaction; others are untouched."""
    other, third = Shard("d.s.u", 0), Shard("d.s.v", 0)
    async with world(settings) as w:
        for topic in (TOPIC, other.topic, third.topic):
            await w.own(topic)
        for number, shard in enumerate((A, other, third)):
            put(w, shard, number)
        w.number += 1
        for shard in (A, other):
            truncate(w, shard, number=w.number)
        await applied(w)
        assert await live(w) == ["2"]
        assert len(await w.fetch("SELECT * FROM table_command")) == 2


async def test_a_truncate_sent_twice_is_one(settings: Settings) -> None:
    """After a crash of the capture it comes again, behind what came after it: what lives by then is left alone."""
    async with world(settings) as w:
        await w.own(partitions=2)
        put(w, A, 1)
        put(w, B, 2)
        truncate(w)
        number = w.number
        put(w, A, 3)
        put(w, B, 4)
        await applied(w)
        truncate(w, number=number)
        truncate(w, number=number)
        await applied(w)
        assert await live(w) == ["3", "4"]
        assert len(await w.fetch("SELECT * FROM table_command")) == 1
        assert sum(row["copies"] for row in await w.fetch("SELECT copies FROM shard")) == 2


async def test_two_owners_apply_a_truncate_once(settings: Settings) -> None:
    broker = MemoryBroker()
    async with world(settings, broker, run_length=3) as w, world(settings, broker, run_length=2) as other:
        for one in (w, other):
            await one.own(partitions=2)
        for number in range(30):
            put(w, Shard(TOPIC, number % 2), number)
            if number % 10 == 9:
                truncate(w, Shard(TOPIC, number // 10 % 2))
            await asyncio.sleep(0.01)
        put(w, A, 100)
        other.feed.wake()
        deadline = now() + 60 * SECOND
        while await w.fetch("SELECT * FROM table_command_due") or not all(
            row["flushed_offset"] == broker.logs[Shard(TOPIC, row["partition"])].end - 1
            for row in await w.fetch("SELECT partition, flushed_offset FROM shard")
        ):
            for one in (w, other):
                await one.settler.tick()
            assert now() < deadline
            await asyncio.sleep(0.05)
        assert not w.crashes + other.crashes
        ended = await w.fetch("SELECT entity_id, count(*) AS n FROM cdc_event WHERE op = 'd' GROUP BY 1")
        assert {row["entity_id"]: row["n"] for row in ended} == {str(number): 1 for number in range(30)}
        await positions(w)


async def test_a_worker_that_dies_between_storing_and_applying_leaves_it_to_the_next(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S does not pass the command meanwhile, at whatever moment one looks."""
    broker = MemoryBroker()

    class Killed(BaseException):
        pass

    with monkeypatch.context() as patched, contextlib.suppress(AssertionError):
        async with world(settings, broker) as w:
            await w.own(partitions=2)
            put(w, A, 1)
            put(w, B, 2)
            await w.flushed()
            await settle(w)

            async def die(*_: object) -> Any:
                raise Killed

            patched.setattr("msr_stream.recording.applying.Applier._one", die)
            truncate(w)
            await until(lambda: bool(w.crashes), "it dies")
    async with world(settings, broker) as w:
        [command] = await w.fetch("SELECT * FROM table_command")
        held = (await w.fetch("SELECT settled_instant() AS s"))[0]["s"]
        assert held < command["command_timestamp"]
        await w.own(partitions=2)
        await applied(w)
        assert await live(w) == []
        assert len(await w.fetch("SELECT * FROM cdc_event WHERE op = 'd'")) == 2
        await positions(w)


async def _settled_past(w: World, shard: Shard, instant: int) -> None:
    """Let the settler work until a shard is settled beyond an instant."""
    deadline = now() + 60 * SECOND
    while not await w.fetch("SELECT FROM shard WHERE partition = $1 AND settled_until > $2", shard.partition, instant):
        await w.settler.tick()
        assert now() < deadline
        await asyncio.sleep(0.02)


async def test_s_waits_for_every_live_shard_and_never_goes_back(settings: Settings) -> None:
    """A shard that nobody has for now holds it; one that is silent does not, and lives again only when it is done."""
    async with world(settings) as w:
        await w.own(partitions=2)
        put(w, A, 1)
        put(w, B, 2)
        await w.flushed()
        await settle(w)
        await w.recorder.revoke([A])
        truncate(w)
        before = now()
        await _settled_past(w, B, before)  # alone, and beyond the truncate
        await w.recorder.revoke([B])
        w.recorder.assign([A])
        await w.flushed()
        [command] = await w.fetch("SELECT * FROM table_command")
        await _settled_past(w, A, before)
        seen = [(await w.fetch("SELECT settled_instant() AS s"))[0]["s"]]
        assert seen[0] < command["command_timestamp"]
        await w.fetch("UPDATE shard SET live = false WHERE partition = 1")
        await w.settler.tick()
        seen.append((await w.fetch("SELECT settled_instant() AS s"))[0]["s"])
        assert seen[1] > command["command_timestamp"]
        w.recorder.assign([B])
        deadline = now() + 60 * SECOND
        while not (await w.fetch("SELECT live FROM shard WHERE partition = 1"))[0]["live"]:
            await w.settler.tick()
            seen.append((await w.fetch("SELECT settled_instant() AS s"))[0]["s"])
            assert now() < deadline
            await asyncio.sleep(0.01)
        assert seen == sorted(seen)
        await applied(w)
        assert await live(w) == []


async def test_a_restored_sources_truncate_ends_what_had_higher_numbers(settings: Settings) -> None:
    """Numbers run backwards after a restore: those of the epoch before say nothing."""
    async with world(settings) as w:
        await w.own()
        w.number = 1000
        put(w, A, 1, 2)
        w.number = 10
        put(w, A, 3)
        truncate(w)
        put(w, A, 4)
        await applied(w)
        assert await live(w) == ["4"]
        assert await live(w, None) == ["4"]


async def test_a_retired_table_has_no_command_left(settings: Settings) -> None:
    async with world(settings) as w:
        await w.own(partitions=2)
        put(w, A, 1)
        put(w, B, 2)
        await w.flushed()
        await w.recorder.revoke([B])
        truncate(w)
        await w.flushed()
        await until(lambda: not w.recorder.shards[A].commands.due, "it is applied")
        assert len(await w.fetch("SELECT * FROM table_command_due")) == 1
        ended = await administration(w).retire("d", "s.t", ACTOR)
        assert ended.entities == 1
        assert await w.fetch("SELECT * FROM table_command_due") == []
        assert [row["held_until"] for row in await w.fetch("SELECT held_until FROM shard")] == [None, None]
