"""A worker without Kafka: the real recorder, settler and replay on a real PostgreSQL, fed from memory."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from msr_stream.recording.feed import Delivery
from msr_stream.recording.progress import Shard
from msr_stream.recording.recorder import Recorder
from msr_stream.recording.settling import Settler
from msr_stream.replay import EventsQuery, Filter, StateQuery
from msr_stream.settings import Settings
from msr_stream.store.database import Database
from msr_stream.store.migrations import migrate
from msr_stream.store.replay import Replay
from msr_stream.store.settled import Settled
from msr_stream.testing import MemoryBroker, MemoryFeed

TOPIC = "d.s.t"
_ALL = Filter()
#: First half of the key of the history's epoch, in SQL; the second is the epoch.
EPOCH = "hashtext('msr.epoch.' || current_schema())"


class World:
    """One worker and its broker.

    Attributes:
        crashes: what has ended a shard's recording for good.
    """

    def __init__(self, settings: Settings, database: Database, broker: MemoryBroker, feed: MemoryFeed) -> None:
        self.settings, self.database, self.broker, self.feed = settings, database, broker, feed
        self.crashes: list[BaseException] = []
        self.recorder = Recorder(settings, database, feed, self._crash)
        self.settled = Settled(database)
        self.settler = Settler(settings, self.recorder, feed, self.settled, _nothing_new)
        self.replay = Replay(settings, database)
        self.number = 0

    async def own(self, topic: str = TOPIC, partitions: int = 1) -> None:
        """Register a topic and record all of it."""
        self.recorder.partitions[topic] = partitions
        await self.recorder.history.register(topic, topic.split(".", maxsplit=1)[0], partitions)
        self.recorder.assign([Shard(topic, partition) for partition in range(partitions)])

    def send(
        self,
        row: dict[str, Any] | None,
        *,
        op: str = "c",
        shard: Shard | None = None,
        old_key: dict[str, Any] | None = None,
        **source: Any,
    ) -> int:
        """Write an envelope to a shard, with the next sequence unless told otherwise; returns its source time."""
        shard = shard or Shard(TOPIC, 0)
        self.number += 1
        name, schema, table = shard.topic.split(".")
        moment = time.time_ns() // 1000
        block: dict[str, Any] = {
            "name": name, "schema": schema, "table": table, "snapshot": "false", "ts_us": moment,
            "lsn": self.number, "txId": self.number, "sequence": json.dumps([str(self.number - 1), str(self.number)]),
        } | source  # fmt: skip
        key = {"id": row["id"]} if row else {}
        envelope = {
            "before": row if op == "d" else None,
            "after": row if op != "d" else None,
            "source": block,
            "op": op,
        }
        headers = [("__debezium.oldkey", json.dumps(old_key).encode())] if old_key else []
        self.write(json.dumps(key).encode(), json.dumps(envelope).encode(), shard, headers)
        return int(block["ts_us"])

    def send_raw(self, row: str, op: str) -> None:
        """Write an envelope whose row is this text, to the first shard."""
        self.number += 1
        source = (
            f'{{"name":"d","schema":"s","table":"t","snapshot":"false","ts_us":{time.time_ns() // 1000},'
            f'"lsn":{self.number},"txId":{self.number},"sequence":"[\\"{self.number - 1}\\",\\"{self.number}\\"]"}}'
        )
        key = json.dumps({"id": json.loads(row)["id"]}).encode()
        self.write(key, f'{{"before":null,"after":{row},"source":{source},"op":"{op}"}}'.encode())

    def write(
        self,
        key: bytes | None,
        value: bytes | None,
        shard: Shard | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Write any record to a shard."""
        self.broker.logs[shard or Shard(TOPIC, 0)].append(key, value, headers, timestamp=time.time_ns() // 1_000_000)
        self.feed.wake()

    async def flushed(self) -> None:
        """Wait until everything that was written is in the database."""
        await until(lambda: all(self._is_flushed(shard) for shard in self.recorder.shards), "everything is flushed")
        assert not self.crashes

    def _is_flushed(self, shard: Shard) -> bool:
        recorder = self.recorder.shards[shard]
        return (
            recorder.idle
            and recorder.progress is not None
            and (recorder.progress.next_offset >= self.broker.logs[shard].end)
        )

    async def fetch(self, query: str, *arguments: Any) -> list[Any]:
        """Ask the history database."""
        async with self.database.recording() as connection:
            return list(await connection.fetch(query, *arguments))

    async def state(self, tenant: str, at: int | None = None, chosen: Filter = _ALL) -> list[dict[str, Any]]:
        """The state at an instant, as a client sees it."""
        pieces: list[bytes] = []
        async with self.replay.snapshot(tenant, at) as snapshot:
            await snapshot.state(StateQuery(at, chosen), snapshot.resolve(at), _into(pieces))
        return _rows(pieces)

    async def events(self, tenant: str, start: int, end: int, chosen: Filter = _ALL) -> list[dict[str, Any]]:
        """The events of a window, as a client sees them."""
        pieces: list[bytes] = []
        async with self.replay.snapshot(tenant, end) as snapshot:
            snapshot.resolve(end)
            await snapshot.events(EventsQuery(start, end, chosen), _into(pieces))
        return _rows(pieces)

    async def _crash(self, error: BaseException) -> None:
        self.crashes.append(error)


@asynccontextmanager
async def world(settings: Settings, broker: MemoryBroker | None = None, run_length: int = 100) -> AsyncIterator[World]:
    """A worker on a prepared schema, closed in the end."""
    await migrate(settings)
    database = Database(settings)
    await database.open()
    made: list[World] = []

    def deliver(delivery: Delivery) -> None:
        made[0].recorder.take(delivery)

    try:
        async with MemoryFeed(broker or MemoryBroker(), deliver, lambda: run_length) as feed:
            made.append(World(settings, database, feed.broker, feed))
            try:
                yield made[0]
            finally:
                await made[0].recorder.revoke(list(made[0].recorder.shards))
    finally:
        await database.close()


async def until(condition: Callable[[], bool], what: str, limit: float = 60.0) -> None:
    """Wait for a condition, at most so many seconds."""
    deadline = asyncio.get_running_loop().time() + limit
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"waited {limit} s in vain until {what}"
        await asyncio.sleep(0.01)


async def _nothing_new() -> None:
    """No topics to look for."""


def _into(pieces: list[bytes]) -> Callable[[bytes], Any]:
    async def sink(piece: bytes) -> None:
        pieces.append(piece)

    return sink


def _rows(pieces: list[bytes]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(b"[" + b"".join(pieces)[1:] + b"]")
    return rows
