"""A long history made up: entities of about 1 KB, changed at random (or as in `moving.py`), copied into the history.

Everything is as a worker leaves it: partitions, positions, progress; keyframes are built by the real code.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from struct import Struct
from typing import Protocol

import asyncpg

from msr_stream.instants import DAY, POSTGRES_EPOCH, SECOND, now
from msr_stream.store import rows
from msr_stream.store.database import Database
from msr_stream.store.history import History
from msr_stream.store.keyframes import Keyframes, Pace

TOPIC = "bench.bench.entity"
TABLE = "bench.entity"
TENANT = "t1"
#: Events copied into a shard at a time, as a flush does.
_RUN = 5_000

#: What a flush counts of its events, here of all of them.
_COUNT = """
INSERT INTO activity (shard_id, bucket, table_name, tenant_id, op, changes)
SELECT shard_id, date_trunc('minute', event_timestamp, 'UTC'), table_name, tenant_id, op, count(*) FROM cdc_event
GROUP BY 1, 2, 3, 4, 5"""

_int4 = Struct(">i").pack
_numbers = Struct(">hiiiqiqiiqiqiq").pack


@dataclass(frozen=True)
class Size:
    """How long a history is made.

    Attributes:
        entities: how many live.
        events: how many changes, creations among them.
        days: over how many days, the last one ending now.
        shards: partitions of the topic.
    """

    entities: int = 10_000
    events: int = 360_000
    days: int = 30
    shards: int = 4


QUICK, FULL = Size(), Size(100_000, 3_600_000)


@dataclass(frozen=True)
class Filled:
    """What was made: its shards' numbers and between which instants it happened."""

    shards: list[int]
    start: int
    end: int


class Log(Protocol):
    """One shard's log, made up as it is copied.

    Attributes:
        position: of the row that came last.
        time: of the row that came last.
        live: how many entities live after it.
    """

    position: int
    time: int
    live: int

    def rows(self) -> Iterator[bytes]:
        """Its events as rows of binary COPY."""


#: Makes up a shard's log, of a shard's number, a history's size and its first and last instant.
Maker = Callable[[int, Size, int, int], Log]


def event(shard: int, position: int, time: int, op: str, entity: str, state: str) -> bytes:
    """An event as a row of binary COPY."""
    parts = [_numbers(13, 4, shard, 8, position, 8, time - POSTGRES_EPOCH, -1, 8, position, 8, position, 8, position)]
    for text in (op, TABLE, entity, TENANT, state):
        raw = text.encode()
        parts += _int4(len(raw)), raw
    return b"".join((*parts, rows.NULL))


class Random:
    """Creations first, then changes of entities at random, now and then a delete."""

    def __init__(self, number: int, size: Size, start: int, end: int) -> None:
        self.number = number
        self._entities, self._events = size.entities // size.shards, size.events // size.shards
        self._start, self._step = start, (end - start) // self._events
        self._random = random.Random(number)
        self._filler = [self._random.randbytes(440).hex() for _ in range(64)]
        self._dead: set[int] = set()
        self.position, self.time, self.live = 0, start, 0

    def rows(self) -> Iterator[bytes]:
        """Its events as rows of binary COPY."""
        for position in range(1, self._events + 1):
            self.position, self.time = position, self._start + position * self._step
            entity = position if position <= self._entities else self._random.randrange(self._entities) + 1
            op = "c" if position <= self._entities or entity in self._dead else "u"
            if op == "u" and self._random.random() < 0.01:
                op = "d"
            self._dead.discard(entity)
            if op == "d":
                self._dead.add(entity)
            self.live += {"c": 1, "u": 0, "d": -1}[op]
            yield self._row(f"{self.number}-{entity}", op)

    def _row(self, entity: str, op: str) -> bytes:
        number = self.position
        state = (
            f'{{"id":"{entity}","tenant_id":"{TENANT}","n":{number},"lon":{103.6 + number % 1000 / 2000},'
            f'"lat":{1.2 + number % 777 / 1500},"speed":"{number % 30}.50","note":"{self._filler[number % 64]}"}}'
        )
        return event(self.number, number, self.time, op, entity, state)


async def fill(database: Database, size: Size, pace: Pace, maker: Maker = Random) -> Filled:
    """Make a history in an empty schema; keyframes are built as they fall due."""
    history = History(database)
    await history.register(TOPIC, "bench", size.shards)
    end = now() - 10 * SECOND
    start = end - size.days * DAY
    await history.claim_table(TABLE, "bench", TOPIC, start)
    async with database.recording() as connection:
        numbers = [row["shard_id"] for row in await connection.fetch("SELECT shard_id FROM shard ORDER BY 1")]
        for parent in ("cdc_event", "keyframe"):
            for day in range(size.days + 2):
                await connection.execute("SELECT ensure_partition($1, $2)", parent, start + day * DAY)
    logs = [maker(number, size, start, end) for number in numbers]
    await asyncio.gather(*(_fill_shard(database, number, log) for number, log in zip(numbers, logs, strict=True)))
    assert all(log.position == size.events // size.shards for log in logs)
    async with database.recording() as connection:
        await connection.execute("UPDATE shard SET settled_until = $1", end + SECOND)
        await connection.execute(_COUNT, timeout=3600)
    await Keyframes(database).keep_up(numbers, pace)
    async with database.recording() as connection:
        await connection.execute(
            "VACUUM (ANALYZE) cdc_event, keyframe, keyframe_head, shard, activity, activity_total", timeout=3600
        )
        with suppress(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CHECKPOINT", timeout=3600)  # else answers write what filling has left behind
    return Filled(numbers, start, end)


async def _fill_shard(database: Database, number: int, shard: Log) -> None:
    made = shard.rows()
    while block := list(islice(made, _RUN)):
        async with database.recording() as connection, connection.transaction():
            await connection.copy_to_table("cdc_event", source=_copy(block), columns=rows.COLUMNS, format="binary")
            await connection.execute(
                """UPDATE shard SET version = version + 1, last_position = $2, last_effective = $3, events = $2,
                events_since_keyframe = events_since_keyframe + $4, live_entities = $5, flushed_offset = $2
                WHERE shard_id = $1""",
                number, shard.position, shard.time, len(block), shard.live,
            )  # fmt: skip


async def _copy(block: list[bytes]) -> AsyncIterator[bytes]:
    yield rows.HEADER
    yield b"".join(block)
    yield rows.TRAILER
