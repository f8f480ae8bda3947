"""A long history made up: entities of about 1 KB, changed at random, copied into the history's tables.

Everything is as a worker leaves it: partitions, positions, progress; keyframes are built by the real code.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import islice
from struct import Struct
from typing import Any

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


class _Shard:
    """One shard's log, made up as it is copied: creations first, then changes, now and then a delete."""

    def __init__(self, number: int, size: Size, start: int, end: int) -> None:
        self.number = number
        self._entities, self._events = size.entities // size.shards, size.events // size.shards
        self._start, self._step = start, (end - start) // self._events
        self._random = random.Random(number)
        self._filler = [self._random.randbytes(440).hex() for _ in range(64)]
        self._dead: set[int] = set()
        self.position, self.time, self.live = 0, start, 0

    def rows(self) -> Any:
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
        parts = [
            _numbers(13, 4, self.number, 8, number, 8, self.time - POSTGRES_EPOCH, -1, 8, number, 8, number, 8, number)
        ]
        for text in (op, TABLE, entity, TENANT, state):
            raw = text.encode()
            parts += _int4(len(raw)), raw
        return b"".join((*parts, rows.NULL))


async def fill(database: Database, size: Size, pace: Pace) -> Filled:
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
    for made in await asyncio.gather(*(_fill_shard(database, number, size, start, end) for number in numbers)):
        assert made.position == size.events // size.shards
    async with database.recording() as connection:
        await connection.execute("UPDATE shard SET settled_until = $1", end + SECOND)
    await Keyframes(database).keep_up(numbers, pace)
    async with database.recording() as connection:
        await connection.execute("VACUUM (ANALYZE) cdc_event, keyframe, keyframe_head, shard", timeout=3600)
    return Filled(numbers, start, end)


async def _fill_shard(database: Database, number: int, size: Size, start: int, end: int) -> _Shard:
    shard = _Shard(number, size, start, end)
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
    return shard


async def _copy(block: list[bytes]) -> AsyncIterator[bytes]:
    yield rows.HEADER
    yield b"".join(block)
    yield rows.TRAILER
