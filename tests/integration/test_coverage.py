"""Complete snapshots and coverage on a real PostgreSQL: ghosts end, gaps are known and named."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from msr_stream.coverage import Interval
from msr_stream.instants import HOUR, LAST, SECOND, now
from msr_stream.recording.notices import Notice
from msr_stream.recording.progress import Shard
from msr_stream.settings import Settings
from msr_stream.source.slots import Look, SlotState
from msr_stream.store.coverage import Coverage
from msr_stream.store.notices import Notices
from tests.integration.test_commands import A, B, applied, live, put
from tests.integration.test_sources_admin import ACTOR, administration, settle
from tests.world import World, until, world


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A source without markers is settled up to a twentieth of a second ago."""
    return settings.model_copy(update={"max_lateness": 0.05})


async def tell(w: World, *tables: tuple[str, int | None], source: str = "d", begun: int | None = None) -> None:
    """What the capture tells of a snapshot."""
    begun = begun or now()
    told: list[tuple[str, str | None, int | None]] = [("STARTED", None, None)]
    told += [("TABLE_SCAN_COMPLETED", table, rows) for table, rows in tables]
    told.append(("COMPLETED", None, None))
    notices = Notices(w.database)
    for number, (kind, table, rows) in enumerate(told):
        notice = Notice(f"{begun} {number}", source, kind, table, rows, begun)
        await notices.add(notice, table)
        await notices.add(notice, table)


def read(w: World, shard: Shard, at: int, *numbers: int) -> None:
    """The rows that a snapshot brings."""
    put(w, shard, *numbers, op="r", snapshot="true", sequence='[null, "1"]', ts_us=at)


async def completed(w: World) -> int:
    """Everything recorded and settled, then what is complete is seen to; returns how many snapshots that were."""
    await w.flushed()
    await settle(w)
    done = sum(await asyncio.gather(*(Notices(w.database).complete() for _ in range(3))))
    await applied(w)
    return done


async def test_a_complete_snapshot_ends_what_is_gone_and_nothing_else(settings: Settings) -> None:
    """Rows it brought stay, also those touched before its reading and sent after it; so do those that came later."""
    async with world(settings) as w:
        await w.own(partitions=2)
        put(w, A, 1, 2, 10)
        put(w, B, 3, 4)
        await w.flushed()
        before = await settle(w)
        at = now()
        read(w, A, at, 1, 10)
        read(w, B, at, 3)
        await tell(w, ("s.t", 3))
        put(w, A, 10, op="u", ts_us=at - 5)  # committed before the reading, captured after it
        put(w, B, 5)
        assert await completed(w) == 1
        after = await settle(w)
        assert await live(w, before) == ["1", "10", "2", "3", "4"]
        assert await live(w) == ["1", "10", "3", "5"]
        ended = [event for event in await w.events("t1", before, after) if event["op"] == "d"]
        assert sorted((one["entity_id"], one["entity_state"]["n"]) for one in ended) == [("2", 2), ("4", 4)]
        assert await completed(w) == 0
        assert len(await w.fetch("SELECT * FROM table_command")) == 1


async def test_an_empty_tables_snapshot_ends_all_of_it(settings: Settings) -> None:
    async with world(settings) as w:
        await w.own(partitions=2)
        put(w, A, 1)
        put(w, B, 2)
        await w.flushed()
        await settle(w)
        await tell(w, ("s.t", 0))
        await completed(w)
        assert await live(w) == []


async def test_a_snapshot_of_which_rows_are_missing_ends_nothing(settings: Settings) -> None:
    """A row that became a dead letter, or was lost with a trimmed log, is not gone at the source."""
    async with world(settings) as w:
        await w.own()
        put(w, A, 1, 2)
        await w.flushed()
        await settle(w)
        read(w, A, now(), 1)
        await tell(w, ("s.t", 2))
        assert await completed(w) == 1
        assert await live(w) == ["1", "2"]
        [row] = await w.fetch("SELECT outcome FROM snapshot_notice WHERE kind = 'COMPLETED'")
        assert "not all rows recorded of s.t" in row["outcome"]


async def test_a_snapshot_is_seen_to_only_once_its_rows_are_recorded(settings: Settings) -> None:
    """The notification may be read long before the rows, which lie in other topics."""
    async with world(settings) as w:
        await w.own(partitions=2)
        put(w, A, 1)
        put(w, B, 2)
        await w.flushed()
        await settle(w)
        await w.recorder.revoke([B])
        at = now()
        read(w, B, at, 2)
        await tell(w, ("s.t", 1))
        for _ in range(5):
            await w.settler.tick()
            assert await Notices(w.database).complete() == 0
        w.recorder.assign([B])
        assert await completed(w) == 1
        assert await live(w) == ["2"]


async def test_a_first_snapshot_ends_nothing_and_costs_nothing(settings: Settings) -> None:
    async with world(settings) as w:
        await w.own()
        read(w, A, now(), 1, 2)
        await tell(w, ("s.t", 2), ("s.unknown", 5))
        assert await completed(w) == 1
        assert await live(w) == ["1", "2"]
        assert await w.fetch("SELECT * FROM table_command") == []


async def slot_seen(w: World, state: str) -> bool:
    """A look at the source's only slot; whether coverage has ended by it."""
    slots = [] if state == "missing" else [SlotState("s", active=True, wal_status=state, lag_bytes=0)]
    return await Coverage(w.database).slot_seen("d", Look(slots, now(), now()), not_asked) is not None


async def not_asked() -> None:
    raise AssertionError("no snapshot is needed that does not come by itself")


async def covers(w: World, start: int, end: int) -> Any:
    """The only table's coverage."""
    [(table, source, found)] = await Coverage(w.database).tables(start, end)
    assert (table, source) == ("s.t", "d")
    return found


async def incomplete(w: World, at: int, start: int | None = None) -> list[str]:
    """What an answer names."""
    async with w.replay.snapshot("t1", at) as snapshot:
        return await snapshot.incomplete(at, start)


async def test_a_table_is_named_before_it_was_captured(settings: Settings) -> None:
    """An answer before the first recording is empty and says so; a window that reaches back, too."""
    async with world(settings) as w:
        early = now() - SECOND
        assert await incomplete(w, early) == ["*"]
        await w.own()
        put(w, A, 1)
        await w.flushed()
        at = await settle(w)
        assert await live(w, early) == []
        assert await incomplete(w, early) == ["s.t"]
        assert await incomplete(w, at, early) == ["s.t"]
        assert await incomplete(w, at) == []
        found = await covers(w, early, at)
        [interval] = found.intervals
        assert interval.end == LAST
        assert found.gaps == [Interval(early, interval.begin, "not captured yet")]


async def test_a_lost_slot_ends_coverage_until_the_next_complete_snapshot(settings: Settings) -> None:
    """A connector that is down does not; what was deleted meanwhile ends with the snapshot."""
    async with world(settings) as w:
        await w.own(partitions=2)
        put(w, A, 1)
        put(w, B, 2)
        await tell(w)
        await w.flushed()
        before = await settle(w)
        coverage = Coverage(w.database)
        for state in ("reserved", "extended", "unreserved"):
            assert not await slot_seen(w, state)
        assert (await covers(w, before, now())).gaps == []
        assert [await slot_seen(w, "lost"), await slot_seen(w, "lost")] == [True, False]
        lost = await settle(w)
        assert await incomplete(w, lost) == ["s.t"]
        assert "slot lost" in (await covers(w, before, now())).gaps[0].reason
        at = now()
        read(w, A, at, 1)
        assert not await slot_seen(w, "reserved")
        await tell(w, ("s.t", 1))
        await completed(w)
        end = await settle(w)
        assert await live(w) == ["1"]
        assert await incomplete(w, end) == []
        assert await incomplete(w, end, lost) == ["s.t"]
        found = await covers(w, before, end)
        assert [(one.reason, one.end >= at) for one in found.intervals] == [
            ("slot lost: it is lost", False),
            (None, True),
        ]
        assert found.intervals[1].begin == at
        assert await coverage.gaps() == {"d": 2}


async def test_a_trimmed_log_ends_coverage_and_a_missing_slot_does(settings: Settings) -> None:
    """Where a source does not tell of its snapshots, coverage begins again with the next record."""
    async with world(settings) as w:
        await w.own()
        put(w, A, 1)
        await w.flushed()
        before = await settle(w)
        await w.recorder.revoke([A])
        put(w, A, 2, 3, 4)
        w.broker.logs[A].trim(2)
        w.recorder.assign([A])
        await until(lambda: w.recorder.shards[A].progress is not None, "it is opened")
        await w.flushed()
        end = await settle(w)
        found = await covers(w, before, end)
        assert "hole: offsets 1 to 1" in found.gaps[0].reason
        assert await incomplete(w, end) == []
        assert await incomplete(w, end, before) == ["s.t"]
        assert await slot_seen(w, "missing")
        assert len((await covers(w, before, now() + HOUR)).gaps) == 2


async def test_a_retired_table_is_not_named(settings: Settings) -> None:
    async with world(settings) as w:
        await w.own()
        put(w, A, 1)
        await w.flushed()
        before = await settle(w)
        ended = await administration(w).retire("d", "s.t", ACTOR)
        assert await incomplete(w, ended.retired_at, before) == []
        found = await covers(w, before, ended.retired_at + HOUR)
        assert (found.intervals[0].reason, found.gaps) == ("retired", [])
