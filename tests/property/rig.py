"""A history database with a log of every progress, and workers with the real recorder on a broker in memory."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Sequence
from typing import Any

import asyncpg

from msr_stream.recording.batch import Batch
from msr_stream.recording.feed import Delivery
from msr_stream.recording.progress import Progress, Shard
from msr_stream.recording.recorder import Recorder
from msr_stream.recording.settling import Settler
from msr_stream.settings import Settings
from msr_stream.store.database import Database, connect_arguments, use_instants
from msr_stream.store.migrations import migrate
from msr_stream.store.settled import Settled
from msr_stream.testing import MemoryBroker, MemoryFeed

_LOG = """
CREATE TABLE shard_log (
    logged bigserial, shard_id int, version bigint, last_position bigint, last_effective timestamptz,
    settled_until timestamptz);
CREATE FUNCTION log_shard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO shard_log (shard_id, version, last_position, last_effective, settled_until)
    VALUES (NEW.shard_id, NEW.version, NEW.last_position, NEW.last_effective, NEW.settled_until);
    RETURN NULL;
END $$;
CREATE TRIGGER log_shard AFTER INSERT OR UPDATE ON shard FOR EACH ROW EXECUTE FUNCTION log_shard();
"""
_EMPTY = "; ".join(
    f"DELETE FROM {table}"
    for table in (
        "table_command_due",
        "table_command",
        "snapshot_notice",
        "snapshot_request",
        "cdc_event",
        "keyframe",
        "keyframe_head",
        "dead_letter",
        "coverage",
        "activity",
        "source_table",
        "source",
        "shard_log",
        "shard",
    )
)


class Clock:
    """The workers' clock: a microsecond later at every look. `seen` is all it has said."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.seen: set[int] = set()

    def __call__(self) -> int:
        self.now += 1
        self.seen.add(self.now)
        return self.now


class Base:
    """What the examples share: one schema, and the connections of as many workers as there may be."""

    def __init__(self, settings: Settings, workers: int) -> None:
        self.settings = settings
        self.databases = [Database(settings) for _ in range(workers)]
        self.connection: Any = None

    async def open(self) -> None:
        """Make the schema and connect."""
        await migrate(self.settings)
        self.connection = await asyncpg.connect(
            **connect_arguments(self.settings), server_settings={"search_path": self.settings.database_schema}
        )
        await use_instants(self.connection)
        await self.connection.execute(_LOG)
        for database in self.databases:
            await database.open()

    async def empty(self) -> None:
        """Begin anew."""
        await self.connection.execute(_EMPTY)

    async def settled(self) -> int | None:
        """S by a query of our own, all shards being live."""
        row = await self.connection.fetchrow(
            "SELECT bool_or(settled_until IS NULL) AS no, min(settled_until) AS s FROM shard"
        )
        return None if row["no"] else row["s"]

    async def close(self) -> None:
        """Disconnect."""
        for database in self.databases:
            await database.close()
        await self.connection.close()


class Worker:
    """One worker: recorder, settler and feed. `failures` is what should not have happened in it."""

    def __init__(self, base: Base, database: Database, broker: MemoryBroker, clock: Clock) -> None:
        self.database, self.failures = database, list[BaseException]()
        self._base, self._broker, self._clock = base, broker, clock
        self._again = 0
        self._ticker: asyncio.Task[None] | None = None

    async def start(self, topics: dict[str, int], run_lengths: Sequence[int], cache: int, slow: int) -> None:
        """Begin to record all shards of some topics."""
        lengths = itertools.cycle(run_lengths)
        self.feed = await MemoryFeed(self._broker, self._take, lambda: next(lengths)).__aenter__()
        self.recorder = Recorder(self._base.settings, self.database, self.feed, self._crashed, self._clock)
        self._cache, self._slow, self._pauses = cache, slow, itertools.cycle((0, 2, 1))
        self._flush, self.recorder.history.flush = self.recorder.history.flush, self._flush_slowly  # type: ignore[method-assign]
        settled = Settled(self.database)
        self._settler = Settler(self._base.settings, self.recorder, self.feed, settled, _look, self._clock)
        self.assign(topics)
        self._ticker = asyncio.create_task(self._tick())

    def assign(self, topics: dict[str, int]) -> None:
        """Record these too."""
        self.recorder.partitions |= topics
        self.recorder.assign(Shard(topic, number) for topic, count in topics.items() for number in range(count))
        for recorder in self.recorder.shards.values():
            recorder.deriver._cache_limit = self._cache

    def again(self, runs: int) -> None:
        """Get the next runs twice."""
        self._again = runs

    async def back(self, records: int) -> None:
        """Have the feed set back, and on, as a consumer that lost its position."""
        for session in list(self.feed._positions):
            self.feed._positions[session] = max(0, self.feed._positions[session] - records)
        self.feed.wake()

    async def stop(self, *, kill: bool) -> None:
        """Give all shards up in an orderly way, or die."""
        assert self._ticker is not None
        tasks = [self._ticker]
        if kill:
            for recorder in self.recorder.shards.values():
                tasks += [recorder._flushing] if recorder._flushing is not None else []  # type: ignore[list-item]
            tasks += self.recorder._tasks.values()
        await cancelled(tasks)
        self.failures += [error for task in tasks if not task.cancelled() and (error := task.exception()) and not kill]
        await self.recorder.revoke(list(self.recorder.shards))
        await self.feed.__aexit__()

    def _take(self, delivery: Delivery) -> None:
        self.recorder.take(delivery)
        if self._again:
            self._again -= 1
            self.recorder.take(delivery)

    async def _flush_slowly(self, batch: Batch, built: Sequence[bytes]) -> Progress:
        """As a worker does that is short of time between deriving and writing."""
        if self._slow:
            await asyncio.sleep(self._slow * next(self._pauses) / 1000)
        return await self._flush(batch, built)

    async def _tick(self) -> None:
        while True:
            await self._settler.tick()
            await asyncio.sleep(0.01)

    async def _crashed(self, error: BaseException) -> None:
        self.failures.append(error)


async def _look() -> None:
    """Topics are discovered by hand."""


async def cancelled(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel, again and again: in Python 3.11 `wait_for` swallows a cancellation that comes with its result."""
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=0.1)


async def leftovers() -> None:
    """Let what was cancelled come to its end."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    if tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait(tasks, timeout=2)
