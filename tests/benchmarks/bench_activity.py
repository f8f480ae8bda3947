"""How fast a month of activity is counted, and what counting it costs a flush: part of `make bench`.

Thirty days of minutes, four tables with a shard each, four operations, are put into the history's own tables; windows
of it are asked for through the code that the route calls.
"""

from __future__ import annotations

import asyncio
import platform
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from msr_local.ports import Ports
from msr_local.postgres import Postgres

sys.path.insert(0, str(Path(__file__).parents[2]))

from msr_stream.instants import DAY, HOUR, MINUTE, now
from msr_stream.settings import Settings
from msr_stream.store import activity
from msr_stream.store.database import Connection, Database
from msr_stream.store.migrations import migrate
from msr_stream.store.replay import Replay

TENANT = "t1"
DAYS, SHARDS, TIMES = 30, 4, 20
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


async def main() -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as folder:
        server = Postgres(Path(folder), Ports.unused().postgres)
        server.start()
        try:
            server.wait_ready()
            keys = Path(folder) / "jwks.json"
            keys.write_text("{}")
            await measured(
                Settings(
                    database_host="127.0.0.1",
                    database_port=server.port,
                    database_name="history",
                    database_user="aoh_msr_user",
                    kafka_brokers=["127.0.0.1:9"],
                    iams_keycloak_url="http://localhost/realms/msr",
                    iams_jwks_file=keys,
                )
            )
        finally:
            server.stop()


async def measured(settings: Settings) -> None:
    """All figures of one history."""
    await migrate(settings)
    database = Database(settings)
    await database.open()
    try:
        end = now() // MINUTE * MINUTE
        await fill(database, end)
        print(f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {DAYS} days, {SHARDS} shards")
        for what, length in (("month", DAYS * DAY), ("week", 7 * DAY), ("day", DAY), ("hour", HOUR)):
            for buckets in (200, 2000):
                print(f"{what}, {buckets} buckets: {await asked(settings, database, end, length, buckets)}")
        async with database.recording() as connection:
            counted = await flushes(connection, end)
            await connection.execute("ALTER TABLE activity DISABLE TRIGGER USER")
            print(f"a run's counts: {counted:.2f} ms, minutes alone {await flushes(connection, end + HOUR):.2f} ms")
    finally:
        await database.close()


async def fill(database: Database, end: int) -> None:
    """The month."""
    async with database.recording() as connection:
        await connection.execute(_SHARDS, end, SHARDS)
        for day in range(DAYS):
            begin = end - (DAYS - day) * DAY
            await connection.execute(_FILL, begin, begin + DAY - MINUTE, TENANT, SHARDS, timeout=600)
        await connection.execute("UPDATE configuration SET value = '400' WHERE key = 'max_playback_range'")
        await connection.execute("VACUUM ANALYZE activity, activity_total")


async def asked(settings: Settings, database: Database, end: int, length: int, buckets: int) -> str:
    """Milliseconds of counting windows that begin and end anywhere, each in a snapshot of its own."""
    replay, rng, found = Replay(settings, database), random.Random(5), list[float]()
    for _ in range(TIMES):
        stop = end - rng.randrange(MINUTE)
        begun = time.perf_counter()
        async with replay.snapshot(TENANT, stop) as snapshot:
            answer = await activity.activity(snapshot, max(stop - length, end - DAYS * DAY), stop, buckets)
        found.append((time.perf_counter() - begun) * 1000)
    return f"{_spread(found)}, {len(answer['buckets'])} rows of {answer['bucket_seconds']} s"


async def flushes(connection: Connection, end: int) -> float:
    """Milliseconds of one run's counts, in a transaction of its own; the median."""
    found: list[float] = []
    for number in range(300):
        begun = time.perf_counter()
        await connection.execute(_FLUSH, end + number // 30 * MINUTE)
        found.append((time.perf_counter() - begun) * 1000)
    return median(found)


def _spread(found: Sequence[float]) -> str:
    return f"median {median(found):.1f} ms, worst {max(found):.1f} ms"


if __name__ == "__main__":
    asyncio.run(main())
