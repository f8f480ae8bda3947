"""A broker in memory, for tests: topics as lists, and a feed that delivers them in runs as the transport does."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from msr_stream.recording.feed import Delivery, Session
from msr_stream.recording.progress import Run, Shard


class MemoryRecord(NamedTuple):
    """A record as the broker keeps it; `timestamp` in milliseconds."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass
class MemoryLog:
    """One partition: its records, and the offset of the first one that is left."""

    records: list[MemoryRecord] = field(default_factory=list)
    begin: int = 0
    end: int = 0

    def append(
        self, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]] = (), timestamp: int = 0
    ) -> None:
        """Write a record."""
        self.records.append(MemoryRecord(self.end, timestamp, key, value, headers))
        self.end += 1

    def trim(self, begin: int) -> None:
        """Forget the records before an offset, as retention does."""
        self.begin = max(self.begin, begin)
        self.records = [record for record in self.records if record.offset >= self.begin]


class MemoryBroker:
    """Topics in memory.

    Attributes:
        logs: by shard.
        sent: what was written with `MemoryFeed.send`: topic, key, value, headers.
        gives_ids: whether it tells topic ids; older brokers do not.
    """

    def __init__(self, *, gives_ids: bool = True) -> None:
        self.gives_ids = gives_ids
        self._makings: Counter[str] = Counter()
        self.logs: dict[Shard, MemoryLog] = defaultdict(MemoryLog)
        self.sent: list[tuple[str, bytes | None, bytes | None, Sequence[tuple[str, bytes]]]] = []

    def make_anew(self, topic: str) -> None:
        """Delete a topic and make it again, empty."""
        self._makings[topic] += 1
        for shard in self.logs:
            if shard.topic == topic:
                self.logs[shard] = MemoryLog()

    def topic_id(self, topic: str) -> str:
        """Its id: another one each time it is made."""
        return f"{topic} {self._makings[topic]}"


class MemoryFeed:
    """`recording.feed.Feed` on a broker in memory, for one worker.

    Args:
        broker: the topics.
        deliver: gets each run, as the agent does.
        run_length: how many records make a run, asked anew for each.
    """

    def __init__(
        self,
        broker: MemoryBroker,
        deliver: Callable[[Delivery], None],
        run_length: Callable[[], int] = lambda: 100,
    ) -> None:
        self.broker = broker
        self._deliver, self._run_length = deliver, run_length
        self._positions: dict[Session, int] = {}
        self._sessions: dict[Shard, Session] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> MemoryFeed:
        """Begin to deliver."""
        self._task = asyncio.create_task(self._pump())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Deliver no more."""
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def seek(self, shard: Shard, offset: int) -> Session:
        """Read the shard from this offset on."""
        session = self._sessions[shard] = Session(shard)
        self._positions = {session: offset, **{s: p for s, p in self._positions.items() if s.shard != shard}}
        self._changed.set()
        return session

    def release(self, session: Session) -> None:
        """One more run of this session is done with."""
        session.outstanding -= 1
        self._changed.set()

    async def beginnings(self, shards: Iterable[Shard]) -> Mapping[Shard, int]:
        """The first offset of each log."""
        return {shard: self.broker.logs[shard].begin for shard in shards}

    async def ends(self, shards: Iterable[Shard]) -> Mapping[Shard, int]:
        """The offset after the last of each log."""
        return {shard: self.broker.logs[shard].end for shard in shards}

    async def topic_ids(self, topics: Iterable[str]) -> Mapping[str, str]:
        """The broker's ids of topics, if it gives any."""
        return {topic: self.broker.topic_id(topic) for topic in topics} if self.broker.gives_ids else {}

    async def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]
    ) -> None:
        """Write a record to another topic."""
        self.broker.sent.append((topic, key, value, headers))

    async def close(self) -> None:
        """Nothing to leave."""

    def wake(self) -> None:
        """Look again: something was written to the broker."""
        self._changed.set()

    async def _pump(self) -> None:
        while True:
            self._changed.clear()
            delivered = [self._deliver_next(session) for session in list(self._positions)]
            if not any(delivered):
                with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), 0.02)
            await asyncio.sleep(0)

    def _deliver_next(self, session: Session) -> bool:
        log, position = self.broker.logs[session.shard], self._positions[session]
        if position > log.end or position < log.begin:
            position = log.begin  # as a consumer does that is out of range
        if session.outstanding >= Session.LIMIT or position >= log.end:
            return False
        end = min(log.end, position + max(1, self._run_length()))
        records = [record for record in log.records if position <= record.offset < end]
        self._positions[session] = end
        session.outstanding += 1
        session.fetched_to = end
        self._deliver(Delivery(session, Run(position, end, records)))
        return True
