"""Incremental snapshots on a real PostgreSQL: what has gone is ended, and nothing whose end is not certain."""

from __future__ import annotations

import json
from typing import Any

import pytest

from msr_stream.instants import SECOND, now
from msr_stream.recording.notices import Notice
from msr_stream.recording.progress import Shard
from msr_stream.settings import Settings
from msr_stream.store.notices import Notices
from tests.integration.test_commands import A, B, live, put, truncate
from tests.integration.test_coverage import completed
from tests.integration.test_sources_admin import ACTOR, administration, settle
from tests.world import World, world


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A source without markers is settled up to a twentieth of a second ago."""
    return settings.model_copy(update={"max_lateness": 0.05})


async def ask(w: World) -> str:
    """Ask for the table as an administrator does; returns the signal's id."""
    await administration(w).snapshot("d", ["s.t"], "incremental", ACTOR)
    value: str = json.loads(w.broker.sent[-1][2] or b"")["id"]
    return value


async def tell(w: World, request: str, *kinds: str, rows: int | None = 2) -> None:
    """What the capture tells of an incremental snapshot."""
    for kind in kinds or ("STARTED", "TABLE_SCAN_COMPLETED", "COMPLETED"):
        scanned = kind == "TABLE_SCAN_COMPLETED"
        notice = Notice(f"{request} {kind}", "d", kind, None, rows if scanned else None, now(), request)
        for _ in range(2):
            await Notices(w.database).add(notice, "s.t" if scanned else None)


def read(w: World, shard: Shard, *numbers: int, **more: Any) -> None:
    """Rows that a piece brings: without lsn, at the capture's clock."""
    source = {"op": "r", "snapshot": "incremental", "lsn": None, "txId": None, "sequence": '["1", "1"]'}
    put(w, shard, *numbers, **source, **more)


async def filled(w: World) -> None:
    """Two shards with entities 1, 2 and 3, 4; all is settled."""
    await w.own(partitions=2)
    put(w, A, 1, 2)
    put(w, B, 3, 4)
    await w.flushed()
    await settle(w)


async def outcome(w: World) -> str:
    [row] = await w.fetch("SELECT outcome FROM snapshot_notice WHERE kind = 'COMPLETED'")
    return str(row["outcome"])


async def test_what_was_neither_read_nor_changed_is_ended(settings: Settings) -> None:
    """A row that changes while its piece is read is not sent as read: its change has come. Clocks may be behind."""
    async with world(settings) as w:
        await filled(w)
        before = await settle(w)
        request = await ask(w)
        read(w, A, 1, ts_us=now() - 40 * SECOND)
        put(w, B, 3, op="u", ts_us=now() - 30 * SECOND)
        put(w, A, 5)
        await w.flushed()
        await settle(w)
        await tell(w, request)
        assert await completed(w) == 1
        assert await outcome(w) == "1 of 1 tables whole"
        assert await live(w, before) == ["1", "2", "3", "4"]
        assert await live(w) == ["1", "3", "5"]
        ended = [event for event in await w.events("t1", before, await settle(w)) if event["op"] == "d"]
        assert sorted((one["entity_id"], one["entity_state"]["n"]) for one in ended) == [("2", 2), ("4", 4)]
        assert await completed(w) == 0


async def test_one_that_goes_on_with_another_ones_reading_ends_nothing(settings: Settings) -> None:
    """Debezium tells no beginning of it: half of the table may have been read before it was asked for."""
    async with world(settings) as w:
        await filled(w)
        await tell(w, "somebody else's", "STARTED")
        read(w, A, 1, 2)
        read(w, B, 3)
        await w.flushed()
        await settle(w)
        request = await ask(w)
        read(w, B, 4)
        await tell(w, request, "TABLE_SCAN_COMPLETED", "COMPLETED")
        assert await completed(w) == 1
        assert "ends nothing" in await outcome(w)
        assert await live(w) == ["1", "2", "3", "4"]


async def test_one_that_nobody_asked_for_here_ends_nothing(settings: Settings) -> None:
    async with world(settings) as w:
        await filled(w)
        read(w, A, 1)
        await tell(w, "an operator's")
        assert await completed(w) == 1
        assert "ends nothing" in await outcome(w)
        assert await live(w) == ["1", "2", "3", "4"]


@pytest.mark.parametrize("lost", ["a dead letter", "a trimmed log", "a table half read"])
async def test_one_of_which_something_is_not_recorded_ends_nothing(settings: Settings, lost: str) -> None:
    async with world(settings) as w:
        await filled(w)
        request = await ask(w)
        if lost == "a dead letter":
            w.write(b'{"id":2}', b"{never closed", A)
        if lost == "a trimmed log":
            await w.recorder.revoke([A])
            read(w, A, 2)
            read(w, A, 1)
            w.broker.logs[A].trim(w.broker.logs[A].end - 1)
            w.recorder.assign([A])
        else:
            read(w, A, 1)
        await tell(w, request, rows=None if lost == "a table half read" else 2)
        assert await completed(w) == 1
        assert (await outcome(w)).startswith("0 of")
        assert await live(w) == ["1", "2", "3", "4"]


async def test_it_is_seen_to_only_once_its_rows_are_recorded(settings: Settings) -> None:
    """A truncate in between has its own way; nothing is ended twice."""
    async with world(settings) as w:
        await filled(w)
        await w.recorder.revoke([B])
        request = await ask(w)
        read(w, B, 3)
        truncate(w, A)
        put(w, B, 3)
        await tell(w, request)
        for _ in range(5):
            await w.settler.tick()
            assert await Notices(w.database).complete() == 0
        w.recorder.assign([B])
        assert await completed(w) == 1
        assert await live(w) == ["3"]
        counted = await w.fetch("SELECT entity_id, count(*) AS n FROM cdc_event WHERE op = 'd' GROUP BY 1 ORDER BY 1")
        assert {row["entity_id"]: row["n"] for row in counted} == {str(number): 1 for number in (1, 2, 3, 4)}


async def test_nothing_settled_is_no_bound(settings: Settings) -> None:
    """What is asked for before a shard of the source has settled ends nothing."""
    async with world(settings) as w:
        await filled(w)
        await w.fetch("UPDATE shard SET settled_until = NULL WHERE partition = 1")
        request = await ask(w)
        await w.fetch("UPDATE shard SET version = version + 1")
        await tell(w, request)
        assert await completed(w) == 1
        assert await live(w) == ["1", "2", "3", "4"]
