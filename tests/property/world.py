"""Plays a history: sources, capture, broker and workers, step by step; then waits until all of it is recorded."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import Any

from msr_stream.bounds import not_settled
from msr_stream.instants import HOUR, SECOND
from msr_stream.recording.progress import Shard
from msr_stream.store import planning
from msr_stream.store.history import History
from msr_stream.store.keyframes import Keyframes
from msr_stream.store.replay import Replay
from msr_stream.store.snapshot import Snapshot
from msr_stream.testing import MemoryBroker
from tests.property import histories as h
from tests.property.answers import Kept, events, folded, state
from tests.property.capture import LATE_TOPIC, SHAPES, Capture
from tests.property.rendering import Item, Style
from tests.property.rig import Base, Clock, Worker, cancelled, leftovers

TENANTS = ("t1", "t2")
PATIENCE = 60.0


class World:
    """One example."""

    def __init__(self, base: Base, history: h.History, now: int) -> None:
        self.base, self.history, self.clock = base, history, Clock(now)
        self.broker = MemoryBroker(gives_ids=history.topic_ids)
        self.captures = {
            name: Capture(name, Style(shape, history.wrapped and shape == 1, history.sequences or shape == 1),
                          self.broker, self.clock, history.first_null)
            for name, shape in SHAPES.items()
        }  # fmt: skip
        self.topics = {shard.topic: 0 for capture in self.captures.values() for shard in capture.shards}
        for capture in self.captures.values():
            for shard in capture.shards:
                self.topics[shard.topic] = max(self.topics[shard.topic], shard.partition + 1)
        if history.markers:
            self.topics["d.message"] = 1
        self.known = {topic: count for topic, count in self.topics.items() if topic != LATE_TOPIC}
        self.workers: list[Worker] = []
        self.kept: list[Kept] = []
        self.replay = Replay(base.settings, base.databases[0], self.clock)
        self.keyframes = Keyframes(base.databases[-1])
        planning.SMALL = history.small
        self._notices: dict[Shard, int] = {}

    async def play(self) -> None:
        """All of it."""
        await self.base.empty()
        for topic, count in self.known.items():
            await self._register(topic, count)
        watch = asyncio.create_task(self._watch())
        try:
            for number in range(self.history.workers):
                await self._start(number)
            for step in self.history.steps:
                await self._step(step)
                await asyncio.sleep(0)
            await self._finish()
        finally:
            for worker in self.workers:
                await worker.stop(kill=False)
            await cancelled([watch])
            await leftovers()
        if not watch.cancelled() and (error := watch.exception()) is not None:
            raise error
        assert not [failure for worker in self.workers for failure in worker.failures]

    async def _step(self, step: h.Step) -> None:  # noqa: C901, PLR0912 - one case a kind of step
        captures = self.captures
        match step:
            case h.Put():
                captures[step.source].put(step)
            case h.Delete():
                captures[step.source].delete(step)
            case h.Rename():
                captures[step.source].rename(step)
            case h.Copy():
                captures[step.source].copy(step)
            case h.Snapshot():
                captures[step.source].snapshot(step)
            case h.Poison():
                captures["d"].poison(step)
            case h.Crash():
                captures[step.source].crash(step.back, null_first=step.null_first)
            case h.Restore():
                captures[step.source].restore()
            case h.Simple():
                await self._simple(step.what)
            case h.Wait():
                self.clock.now += step.clock * 1000
                await asyncio.sleep(step.milliseconds / 1000)
            case h.Worker():
                await self._to_worker(step)
            case h.Loss():
                await self._lose(step)
        for worker in self.workers:
            worker.feed.wake()

    async def _simple(self, what: str) -> None:
        if what == "read":
            await self._read()
        elif what == "discover":
            await self._discover()
        elif what == "keyframe":
            await self._build_keyframes()
        elif what == "marker" and self.history.markers:
            self.captures["d"].mark()
        elif what == "release":
            for capture in self.captures.values():
                capture.release()
        elif what == "repeat":
            self.captures["g"].repeat()

    async def _build_keyframes(self) -> None:
        """A keyframe of every shard, while recording goes on; no answer may change by it."""
        for row in await self.base.connection.fetch("SELECT shard_id FROM shard"):
            await self.keyframes.build(row["shard_id"])

    async def _start(self, number: int) -> None:
        worker = Worker(self.base, self.base.databases[number], self.broker, self.clock)
        self.workers.insert(number, worker)
        history = self.history
        await worker.start(self.known, history.run_lengths, history.cache, history.slow if number == 0 else 0)

    async def _to_worker(self, step: h.Worker) -> None:
        number = step.number % len(self.workers)
        worker = self.workers[number]
        if step.what == "again":
            worker.again(step.amount)
        elif step.what == "back":
            await worker.back(step.amount)
        else:
            await worker.stop(kill=step.what == "kill")
            assert not worker.failures, worker.failures
            del self.workers[number]
            await self._start(number)

    async def _lose(self, step: h.Loss) -> None:
        """A topic made anew, or a log trimmed, while no worker has it."""
        capture = self.captures[step.source]
        capture.forget_before()
        if not step.lost or self._in_flight(capture):
            await self._drain()
        await self._stop_all()
        flushed = await self._flushed()
        topic = capture.shards[0].topic
        if step.anew:
            await self._expect_notice(shard for shard in capture.shards if shard.topic == topic)
            capture.lose(lambda shard, offset: shard.topic == topic and offset > flushed.get(shard, -1))
            self.broker.make_anew(topic)
            for shard in capture.shards:
                if shard.topic == topic:
                    capture.since[shard] = len(capture.delivered[shard])
        else:
            self._trim(capture, capture.shards[-1], flushed, lost=step.lost)
        for number in range(self.history.workers):
            await self._start(number)

    def _trim(self, capture: Capture, shard: Shard, flushed: dict[Shard, int], *, lost: bool) -> None:
        log, begin = self.broker.logs[shard], flushed.get(shard, self.broker.logs[shard].end) + 1
        if begin > log.end:
            return  # not known yet, or made anew and not noticed yet
        if lost:
            begin = min(log.end, begin + 3)
            while begin < log.end and log.records[begin - log.begin].value is None:
                begin += 1
            capture.lose(lambda where, offset: where == shard and flushed[shard] < offset < begin)
        log.trim(begin)

    def _in_flight(self, capture: Capture) -> bool:
        """Whether what may be lost cannot be: half a key change would keep the other half waiting for half a minute.

        And of records sent twice losing the first ones would put older ones after newer ones, for good.
        """
        for shard, entries in capture.delivered.items():
            items = [item for _, item in entries[capture.since[shard] :]]
            if any(item.old_key or item.new_key for item in items) or len({item.index for item in items}) < len(items):
                return True
        return False

    async def _read(self) -> None:
        """Take answers at S, hold them against those taken before, and keep them."""
        if await self.base.settled() is None:
            return
        for tenant in TENANTS:
            async with self.replay.snapshot(tenant, None) as snapshot:
                kept = await self._answer(snapshot, tenant)
                for earlier in [one for one in self.kept if one.tenant == tenant][-3:]:
                    assert kept.settled >= earlier.settled, "S went back"
                    window = kept.events[earlier.at] = await events(snapshot, earlier.at, kept.at)
                    assert folded(earlier.state, window) == kept.state, "state(a) + events(a, b) is not state(b)"
                self.kept.append(kept)

    async def _answer(self, snapshot: Snapshot, tenant: str) -> Kept:
        settled = snapshot.bounds.settled
        assert settled is not None
        at = snapshot.resolve(None)
        assert at <= settled
        try:
            snapshot.resolve(settled + 1)
        except type(not_settled(snapshot.bounds)):
            return Kept(tenant, at, settled, await state(snapshot, at))
        raise AssertionError("an answer beyond S")

    async def _register(self, topic: str, count: int) -> None:
        await History(self.base.databases[0]).register(topic, topic.split(".", maxsplit=1)[0], count)

    async def _discover(self) -> None:
        """A topic is found that was there for some time."""
        if LATE_TOPIC not in self.known:
            await self._register(LATE_TOPIC, 1)
            self.known[LATE_TOPIC] = 1
            for worker in self.workers:
                worker.assign({LATE_TOPIC: 1})

    async def _drain(self) -> None:
        """Wait until everything that was sent is recorded."""
        for capture in self.captures.values():
            capture.release()
        await self._until(partial(self._all_flushed), "everything is recorded")

    async def _all_flushed(self) -> bool:
        flushed, noticed = await self._flushed(), await self._noticed()
        return all(noticed[shard] >= count for shard, count in self._notices.items()) and all(
            log.begin == log.end or flushed[shard] >= log.end - 1
            for shard, log in self.broker.logs.items()
            if shard in flushed
        )

    async def _expect_notice(self, shards: Iterable[Shard]) -> None:
        """A shard with a record of the log that is gone must notice that; only then its offsets mean the new one."""
        flushed, noticed = await self._flushed(), await self._noticed()
        self._notices |= {shard: noticed[shard] + 1 for shard in shards if flushed.get(shard, -1) >= 0}
        self.clock.now += SECOND

    async def _noticed(self) -> Counter[Shard]:
        found = await self.base.connection.fetch(
            "SELECT topic, partition FROM coverage JOIN shard USING (shard_id) WHERE reason LIKE 'topic made anew%'"
        )
        return Counter(Shard(row["topic"], row["partition"]) for row in found)

    async def _flushed(self) -> dict[Shard, int]:
        found = await self.base.connection.fetch("SELECT topic, partition, flushed_offset FROM shard")
        return {Shard(row["topic"], row["partition"]): row["flushed_offset"] for row in found}

    async def _finish(self) -> None:
        """Everything recorded, and settled far beyond it."""
        await self._discover()
        await self._drain()
        await self._read()
        self.clock.now += HOUR
        wanted = self.clock() - SECOND
        if self.history.markers:
            self.captures["d"].mark()
        await self._until(partial(self._settled_until, wanted), "everything is settled")
        await self._read()

    async def _settled_until(self, wanted: int) -> bool:
        settled = await self.base.settled()
        return settled is not None and settled >= wanted

    async def _until(self, done: Any, what: str) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while not await done():
            failures = [failure for worker in self.workers for failure in worker.failures]
            if failures:
                raise failures[0]
            assert loop.time() < deadline, f"not in time: {what}; {await self._flushed()}"
            await asyncio.sleep(0.01)

    async def _stop_all(self) -> None:
        for worker in self.workers:
            await worker.stop(kill=False)
            assert not worker.failures, worker.failures
        self.workers = []

    async def _watch(self) -> None:
        """S never goes back, at whatever moment one looks."""
        async with self.base.databases[-1].replaying() as connection:
            before: int | None = None
            while True:
                row = await connection.fetchrow(
                    "SELECT bool_or(settled_until IS NULL) AS no, min(settled_until) AS s FROM shard"
                )
                settled = None if row["no"] else row["s"]
                assert before is None or (settled is not None and settled >= before), (
                    f"S went from {before} to {settled}"
                )
                before = settled
                await asyncio.sleep(0.003)

    def recorded_items(self, capture: Capture) -> dict[Shard, list[Item]]:
        """What each log got, but for what was lost before anybody could record it."""
        return {shard: [item for _, item in capture.delivered[shard]] for shard in capture.shards}
