"""Sources administered on a real PostgreSQL: tables that end, what is told of them, snapshots on demand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from msr_stream.connectors import Connectors
from msr_stream.errors import Conflict, NotFound, Unavailable
from msr_stream.identity import Caller
from msr_stream.instants import MINUTE, SECOND, now
from msr_stream.recording.progress import Shard
from msr_stream.settings import Settings
from msr_stream.sources import SourceAdministration
from msr_stream.store.audit import Actor
from msr_stream.store.sources import Sources
from tests.world import TOPIC, World, until, world

ACTOR = Actor(Caller("u1", "root", None, frozenset()), "8a3cbf0c-7d5a-4dc8-8f0e-1d9b8d2b7a10")
OTHER = "e.s.w"  # a topic of another source


def administration(w: World, connectors: Connectors | None = None) -> SourceAdministration:
    return SourceAdministration(
        w.settings, w.database, Sources(w.database), connectors or Connectors(""), w.feed, w.recorder
    )


async def settle(w: World, limit: float = 60.0) -> int:
    """Let the settler work until this very moment is settled; returns S."""
    wanted = now()
    deadline = asyncio.get_running_loop().time() + limit
    while True:
        await w.settler.tick()
        found = (await w.fetch("SELECT settled_instant() AS s"))[0]["s"]
        if found is not None and found >= wanted:
            return int(found)
        assert asyncio.get_running_loop().time() < deadline, f"S is {found}, wanted {wanted}"
        await asyncio.sleep(0.02)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A source without markers is settled up to a twentieth of a second ago."""
    return settings.model_copy(update={"max_lateness": 0.05})


@asynccontextmanager
async def filled(settings: Settings) -> AsyncIterator[World]:
    """A table in two partitions: two entities of tenant t1, one of t2, one shared, one that is deleted."""
    async with world(settings) as w:
        await w.own(partitions=2)
        for number, tenant in enumerate(("t1", "t1", "t2")):
            w.send({"id": number, "tenant_id": tenant, "n": number}, shard=Shard(TOPIC, number % 2))
        w.send({"id": 3, "n": 3})
        w.send({"id": 4, "tenant_id": "t1"})
        w.send({"id": 4, "tenant_id": "t1"}, op="d")
        await w.flushed()
        yield w


async def test_a_retired_table_ends_for_each_tenant_at_one_instant(settings: Settings) -> None:
    """Its entities are deleted with last state and tenant, nobody sees another's, and the counts are right."""
    async with filled(settings) as w:
        before = await settle(w)
        sources = administration(w)
        ended = await sources.retire("d", "s.t", ACTOR)
        assert ended.entities == 4
        assert ended.retired_at > before
        kept = await w.fetch(
            "SELECT op, entity_id, tenant_id, entity_state, event_timestamp FROM cdc_event WHERE event_timestamp >= $1 "
            "ORDER BY entity_id", ended.retired_at,
        )  # fmt: skip
        assert [(row["op"], row["entity_id"], row["tenant_id"]) for row in kept] == [
            ("d", "0", "t1"), ("d", "1", "t1"), ("d", "2", "t2"), ("d", "3", None),
        ]  # fmt: skip
        assert {row["event_timestamp"] for row in kept} == {ended.retired_at}
        assert json.loads(kept[2]["entity_state"]) == {"id": 2, "tenant_id": "t2", "n": 2}
        positions = await w.fetch("SELECT array_agg(position ORDER BY position) AS p FROM cdc_event GROUP BY shard_id")
        assert all(list(row["p"]) == list(range(1, len(row["p"]) + 1)) for row in positions)
        shards = await w.fetch(
            "SELECT live_entities, retired_at, last_position - events AS more, settled_until, last_effective FROM shard"
        )
        assert {tuple(row) for row in shards} == {(0, ended.retired_at, 0, ended.retired_at, ended.retired_at)}
        counted = await w.fetch(
            "SELECT tenant_id, sum(changes)::int AS n FROM activity WHERE op = 'd' AND bucket = $1 GROUP BY 1",
            ended.retired_at - ended.retired_at % MINUTE,
        )
        assert {row["tenant_id"]: row["n"] for row in counted}.items() >= {("t2", 1), (None, 1)}
        assert {row["entity_id"] for row in await w.state("t2", ended.retired_at - 1)} == {"2", "3"}
        assert await w.state("t2", ended.retired_at) == []
        assert [row["entity_id"] for row in await w.events("t2", before, ended.retired_at)] == ["2", "3"]
        coverage = await w.fetch("SELECT covered_until, reason FROM coverage")
        assert {tuple(row) for row in coverage} == {(ended.retired_at, "retired")}


async def test_retiring_twice_and_at_the_same_time_ends_a_table_once(settings: Settings) -> None:
    async with filled(settings) as w:
        sources = administration(w)
        found = await asyncio.gather(*(sources.retire("d", "s.t", ACTOR) for _ in range(4)))
        assert {one.retired_at for one in found} == {found[0].retired_at}
        assert sorted(one.entities for one in found) == [0, 0, 0, 4]
        audit = await w.fetch("SELECT action, subject, username, after::text FROM audit")
        assert [tuple(row)[:3] for row in audit] == [("table.retire", "d/s.t", "root")]
        assert json.loads(audit[0]["after"])["entities"] == 4
        for source, table in (("d", "s.x"), ("e", "s.t"), ("d", "s.\0")):
            with pytest.raises(NotFound):
                await sources.retire(source, table, ACTOR)


async def test_a_retired_source_holds_nobody_up_and_is_not_named(settings: Settings) -> None:
    """One whose marker topic stands still, too: it is retired with the source's last table."""
    async with filled(settings) as w:
        await w.recorder.history.register("d.message", "d", 1)
        await w.own(OTHER)
        w.send({"id": 1, "n": 1}, shard=Shard(OTHER, 0))
        await w.flushed()
        assert (await w.fetch("SELECT settled_instant() AS s"))[0]["s"] is None, "d.message is not settled"
        await w.fetch("UPDATE shard SET live = false, version = version + 1 WHERE source = 'd'")
        before = await settle(w)
        async with w.replay.snapshot("t1", None) as snapshot:
            assert "d.message" in await snapshot.incomplete(before)
        await administration(w).retire("d", "s.t", ACTOR)
        assert await settle(w) > before
        async with w.replay.snapshot("t1", None) as snapshot:
            assert await snapshot.incomplete(snapshot.resolve(None)) == []
        assert {row["entity_id"] for row in await w.state("t1")} == {"1"}


async def test_a_record_after_the_end_lives_on_behind_what_is_settled(settings: Settings) -> None:
    """What was answered while nobody waited for the retired table must not change when it comes back."""
    async with filled(settings) as w:
        await w.own(OTHER)
        w.send({"id": 1, "n": 1}, shard=Shard(OTHER, 0))
        await w.flushed()
        await settle(w)
        ended = await administration(w).retire("d", "s.t", ACTOR)
        settled = await settle(w)
        assert settled > ended.retired_at
        answered = await w.state("t1", settled)
        w.send({"id": 9, "tenant_id": "t1", "n": 9}, ts_us=ended.retired_at - SECOND)
        await w.flushed()
        row = (await w.fetch("SELECT event_timestamp, source_timestamp FROM cdc_event WHERE entity_id = '9'"))[0]
        assert row["event_timestamp"] > settled
        assert row["source_timestamp"] == ended.retired_at - SECOND
        states = await w.fetch(
            "SELECT (SELECT count(*) FROM shard WHERE retired_at IS NOT NULL) AS shards, "
            "(SELECT count(*) FROM source_table WHERE retired_at IS NOT NULL) AS tables"
        )
        assert tuple(states[0]) == (0, 0)
        assert (await w.fetch("SELECT settled_instant() AS s"))[0]["s"] >= settled
        await settle(w)
        assert await w.state("t1", settled) == answered
        assert {row["entity_id"] for row in await w.state("t1")} == {"1", "9"}
        again = await administration(w).retire("d", "s.t", ACTOR)
        assert again.entities == 1
        open_intervals = await w.fetch("SELECT count(*) AS n FROM coverage WHERE covered_until IS NULL")
        assert open_intervals[0]["n"] == 1, "of the other source alone"


async def test_an_idle_shard_that_somebody_else_wrote_goes_on_to_settle(settings: Settings) -> None:
    """Its owner learns of it without a record: else the settled instant of all would stand still."""
    async with filled(settings) as w:
        before = await settle(w)
        await w.fetch("UPDATE shard SET version = version + 1")
        await asyncio.sleep(0)
        await until(lambda: all(recorder.idle for recorder in w.recorder.shards.values()), "all is idle")
        assert await settle(w) >= before


async def test_a_table_that_shares_its_topic_ends_alone(settings: Settings) -> None:
    async with filled(settings) as w:
        w.send({"id": 1, "n": 1}, table="u")
        await w.flushed()
        ended = await administration(w).retire("d", "s.u", ACTOR)
        assert ended.entities == 1
        assert (await w.fetch("SELECT count(*) AS n FROM shard WHERE retired_at IS NOT NULL"))[0]["n"] == 0
        w.send({"id": 2, "n": 1}, table="u")
        await w.flushed()
        assert (await w.fetch("SELECT retired_at FROM source_table WHERE table_name = 's.u'"))[0]["retired_at"] is None


async def test_the_overview_tells_what_is_recorded(settings: Settings) -> None:
    async with filled(settings) as w:
        w.send({"id": 8, "tenant_id": None})
        w.write(b'{"id":5}', b"{never closed")
        await w.flushed()
        await w.recorder.history.register("d.s.gone", "d", 1)
        sources = administration(w)
        await sources.published("d", [("s", "t"), ("s", "other")])
        [one] = await sources.overview()
        assert (one.source, one.connectors, one.error) == ("d", [], "Kafka Connect is not configured: set CONNECT_URL")
        [table] = one.tables
        assert (table.table, table.topic, table.published, table.retired_at) == ("s.t", TOPIC, True, None)
        assert table.without_tenant == 1
        gone, first, second = one.shards
        assert (gone.topic, gone.end_offset, gone.lag) == ("d.s.gone", None, None)
        assert (first.end_offset, first.lag, first.flushed_offset, first.position) == (7, 0, 6, 6)
        assert (first.live_entities, first.dead_letters, first.events) == (4, 1, 6)
        assert (second.lag, second.position, second.live) == (0, 1, True)
        assert first.last_event is not None
        await sources.published("d", [])
        assert [table.published for table in (await sources.overview())[0].tables] == [False]


async def test_a_broker_that_does_not_answer_is_not_waited_for(settings: Settings) -> None:
    async with filled(settings) as w:
        sources = administration(w)

        async def never(shards: Any) -> Any:
            await asyncio.Event().wait()

        w.feed.ends = never  # type: ignore[method-assign]
        [one] = await asyncio.wait_for(sources.overview(), 60)
        assert {(shard.end_offset, shard.lag) for shard in one.shards} == {(None, None)}
        assert [shard.position for shard in one.shards] == [5, 1]


async def test_a_snapshot_is_asked_for_by_the_names_of_the_source(settings: Settings) -> None:
    settings = settings.model_copy(update={"source_prefixes": {"d": "mine"}})
    async with filled(settings) as w:
        sources = administration(w)
        assert await sources.snapshot("d", None, "blocking", ACTOR) == ["mine.s.t"]
        assert await sources.snapshot("d", ["mine.s.t"], "incremental", ACTOR) == ["mine.s.t"]
        sent = [(topic, key, json.loads(value or b"")) for topic, key, value, _ in w.broker.sent]
        assert [(topic, key) for topic, key, _ in sent] == [(settings.signal_topic, b"d")] * 2
        assert {one["type"] for _, _, one in sent} == {"execute-snapshot"}
        assert [one["data"] for _, _, one in sent] == [
            {"data-collections": ["s.t"], "type": "blocking"},
            {"data-collections": ["s.t"], "type": "incremental"},
        ]
        with pytest.raises(NotFound, match=r"no table s\.x, s\.y") as caught:
            await sources.snapshot("d", ["mine.s.t", "s.x", "s.y"], "blocking", ACTOR)
        assert caught.value.details == [{"table": "s.x"}, {"table": "s.y"}]
        with pytest.raises(NotFound, match="no source 'x'"):
            await sources.snapshot("x", None, "blocking", ACTOR)
        await sources.published("d", [])
        with pytest.raises(Conflict):
            await sources.snapshot("d", None, "blocking", ACTOR)
        audit = await w.fetch("SELECT action, subject, after ->> 'type' AS type FROM audit ORDER BY audit_id")
        assert [tuple(row) for row in audit] == [
            ("source.snapshot", "d", "blocking"), ("source.snapshot", "d", "incremental"),
        ]  # fmt: skip


async def test_a_signal_that_is_not_sent_is_not_audited(settings: Settings) -> None:
    async with filled(settings) as w:

        async def broken(*_: Any) -> None:
            raise OSError("away")

        w.feed.send = broken  # type: ignore[assignment, method-assign]
        with pytest.raises(Unavailable):
            await administration(w).snapshot("d", None, "blocking", ACTOR)
        assert await w.fetch("SELECT FROM audit") == []


async def test_without_kafka_connect_a_restart_says_what_is_missing(settings: Settings) -> None:
    """Also if nobody listens; the address may hold a password, and the message must not."""
    async with filled(settings) as w:
        for connectors, words in (
            (Connectors(""), "set CONNECT_URL"),
            (Connectors("http://user:secret@127.0.0.1:9"), "at 127.0.0.1 does not answer"),
        ):
            sources = administration(w, connectors)
            with pytest.raises(Unavailable, match=words) as caught:
                await sources.restart("d", ACTOR)
            assert "secret" not in str(caught.value)
            with pytest.raises(NotFound):
                await sources.restart("x", ACTOR)
            assert [one.error for one in await sources.overview()] == [str(caught.value)]
        assert await w.fetch("SELECT FROM audit") == []
