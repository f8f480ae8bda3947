"""How fast a month of activity is counted, and what counting it costs a flush.

Thirty days of minutes, four tables with a shard each, four operations, are put into the history's own tables; windows
of it are asked for through the code that the route calls.
"""

from __future__ import annotations

import random
import time
from statistics import median
from typing import NamedTuple

from msr_stream.instants import DAY, HOUR, MINUTE, now
from msr_stream.settings import Settings
from msr_stream.store import activity
from msr_stream.store.database import Connection, Database
from msr_stream.store.migrations import migrate
from msr_stream.store.replay import Replay
from tests.benchmarks.histories import Where
from tests.benchmarks.place import tell
from tests.benchmarks.report import Part, Row, at_most

TENANT = "t1"
DAYS, SHARDS, TIMES = 30, 4, 20
#: Milliseconds that a month may take.
LIMIT = 50.0
_FILL = """
INSERT INTO activity (shard_id, bucket, table_name, tenant_id, op, changes)
SELECT s, m, 's.t' || s, $3, op, 1 + (extract(epoch FROM m)::bigint / 60 + s) % 90
FROM generate_series(1, $4::int) s,
     generate_series($1::timestamptz, $2::timestamptz, interval '1 minute') m, unnest(ARRAY['c', 'r', 'u', 'd']) op"""
_SHARDS = """
INSERT INTO shard (topic, partition, source, settled_until, last_position, last_effective)
SELECT 'd.s.t' || s, 0, 'd', $1, 1, $1 FROM generate_series(1, $2::int) s"""
_FLUSH = """
INSERT INTO activity AS a (shard_id, bucket, table_name, tenant_id, op, changes)
SELECT 1, $1, 's.t1', 't' || n % 4, (ARRAY['c', 'u', 'd'])[1 + n % 3], 100 FROM generate_series(1, 12) n
ON CONFLICT (shard_id, bucket, table_name, tenant_id, op) DO UPDATE SET changes = a.changes + excluded.changes"""


class Asked(NamedTuple):
    """What some windows took, milliseconds; how many counts the last one had, in buckets of how many seconds."""

    median: float
    worst: float
    counts: int
    seconds: int

    def __str__(self) -> str:
        return f"median {self.median:.0f} ms, worst {self.worst:.0f} ms; {self.counts:,} counts of {self.seconds} s"


async def measure(where: Where) -> Part:
    """Count a month, a week, a day and an hour, in few buckets and in many."""
    tell(f"activity of {DAYS} days")
    settings = where.settings()
    where.place.drop()
    await migrate(settings)
    database = Database(settings)
    await database.open()
    try:
        end = now() // MINUTE * MINUTE
        await fill(database, end)
        rows = [
            await _row(settings, database, end, what, length, buckets)
            for what, length in (("a month", DAYS * DAY), ("a week", 7 * DAY), ("a day", DAY), ("an hour", HOUR))
            for buckets in (200, 2000)
        ]
        rows.append(await _cost(database, end))
    finally:
        await database.close()
        where.place.drop()
    return Part("Activity", f"{DAYS} days, {SHARDS} shards, {SHARDS} operations a minute in each", rows)


async def _row(settings: Settings, database: Database, end: int, what: str, length: int, buckets: int) -> Row:
    name, found = f"{what} in at most {buckets:,} buckets", await asked(settings, database, end, length, buckets)
    if length < DAYS * DAY:
        return Row(name, str(found))
    return at_most(name, found.median, LIMIT, str(found), f"median {LIMIT:.0f} ms")


async def _cost(database: Database, end: int) -> Row:
    """What keeping hours and days costs a flush that counts twelve kinds of change."""
    async with database.recording() as connection:
        with_sums = await flushes(connection, end)
        await connection.execute("ALTER TABLE activity DISABLE TRIGGER USER")
        alone = await flushes(connection, end + HOUR)
    return Row("counting in a flush", f"{with_sums:.2f} ms, of the minutes alone {alone:.2f} ms")


async def fill(database: Database, end: int) -> None:
    """The month."""
    async with database.recording() as connection:
        await connection.execute(_SHARDS, end, SHARDS)
        for day in range(DAYS):
            begin = end - (DAYS - day) * DAY
            await connection.execute(_FILL, begin, begin + DAY - MINUTE, TENANT, SHARDS, timeout=600)
        await connection.execute("UPDATE configuration SET value = '400' WHERE key = 'max_playback_range'")
        await connection.execute("VACUUM ANALYZE activity, activity_total")


async def asked(settings: Settings, database: Database, end: int, length: int, buckets: int) -> Asked:
    """Windows that begin and end anywhere, each in a snapshot of its own."""
    replay, rng, found = Replay(settings, database), random.Random(5), list[float]()
    for _ in range(TIMES):
        stop = end - rng.randrange(MINUTE)
        begun = time.perf_counter()
        async with replay.snapshot(TENANT, stop) as snapshot:
            answer = await activity.activity(snapshot, max(stop - length, end - DAYS * DAY), stop, buckets)
        found.append((time.perf_counter() - begun) * 1000)
    return Asked(median(found), max(found), len(answer["buckets"]), answer["bucket_seconds"])


async def flushes(connection: Connection, end: int) -> float:
    """Milliseconds of one run's counts, in a transaction of its own; the median."""
    found: list[float] = []
    for number in range(300):
        begun = time.perf_counter()
        await connection.execute(_FLUSH, end + number // 30 * MINUTE)
        found.append((time.perf_counter() - begun) * 1000)
    return median(found)
