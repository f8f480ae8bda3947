"""How far settled time is behind the clock while fifty users replay.

A worker with all that belongs to it (Faust, recorder, replay) records what a generator writes at a steady rate, after a
history of the small size; then fifty users ask, each for a state and the window after it, again and again, no pause
between. The lag is the database's clock less the settled instant.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from msr_local.stack import Stack

from msr_stream.store.migrations import migrate
from tests.benchmarks.asking import Worker, connected
from tests.benchmarks.bench_replay import MINUTE, USERS
from tests.benchmarks.brokers import broker, flushed, worker_settings
from tests.benchmarks.filling import QUICK
from tests.benchmarks.histories import Where
from tests.benchmarks.place import Place, tell, ticks
from tests.benchmarks.report import Part, Row, at_most

RATE = 200
#: Seconds without and with users.
QUIET, BUSY = 20, 60
LIMIT = 5.0


@dataclass
class Watched:
    """Seconds since the beginning, and how far settled time was behind then."""

    at: list[float] = field(default_factory=list)
    lag: list[float] = field(default_factory=list)

    def worst(self, start: float, end: float) -> float:
        """The most it was behind in a part of the time."""
        return max(lag for at, lag in zip(self.at, self.lag, strict=True) if start <= at <= end)


def measure(where: Where) -> Part:
    """Record and replay at once."""
    where.place.drop()
    try:
        with broker() as stack:
            return asyncio.run(_measure(where, stack))
    finally:
        where.place.drop()


async def _measure(where: Where, stack: Stack) -> Part:
    await _prepare(where)
    async with _generator(stack.kafka.brokers) as (start, end):
        own = stack.add_worker(worker_settings(where.place, "lag"), wait=False)
        await asyncio.to_thread(own.wait_ready, 120)
        await asyncio.to_thread(_wait_recorded, where.place)
        tell(f"{USERS} users replay")
        async with connected(own.pid or 0, own.port, stack.tokens) as asked:
            watched, answers, times = await _watch(where.place, asked, start, end)
    failed = sum(count for status, count in answers.items() if status != 200)
    idle, busy = watched.worst(0, QUIET), watched.worst(QUIET, QUIET + BUSY)
    rows = [
        Row("settled time behind, nobody asking, at most", f"{idle:.1f} s"),
        at_most(f"settled time behind while {USERS} users replay, at most", busy, LIMIT, f"{busy:.1f} s", "5 s"),
        Row("its median", f"{median(watched.lag[-BUSY:]):.1f} s"),
        Row("answers meanwhile", f"{sum(answers.values()):,}, {failed} failed {_failures(answers)}".strip()),
        Row("an answer, median", f"{median(times):.1f} s"),
    ]
    note = (
        f"{QUICK.entities:,} entities, {QUICK.events:,} events, then {RATE} events/s and a marker a second; "
        f"users ask for {BUSY} s without a pause"
    )
    return Part(
        "Recording while fifty replay",
        note,
        rows,
        {"at": watched.at, "lag": watched.lag, "from": QUIET, "limit": LIMIT},
    )


def _failures(answers: Counter[int]) -> str:
    failed = {status: count for status, count in answers.items() if status != 200}
    return f"({', '.join(f'{count} x {status}' for status, count in sorted(failed.items()))})" if failed else ""


async def _prepare(where: Where) -> None:
    """Make the schema, with a range that the whole history is in."""
    await migrate(where.settings())
    with where.place.connect() as connection:
        connection.execute("UPDATE configuration SET value = '400' WHERE key = 'max_playback_range'")


@asynccontextmanager
async def _generator(brokers: str) -> AsyncIterator[tuple[int, int]]:
    """The source; yields the instants between which its history lies."""
    tell(f"writing {QUICK.events:,} events")
    root = Path(__file__).parents[2]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.generating", brokers, str(RATE), cwd=root, env={**os.environ},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        start, end = map(int, (await process.stdout.readline()).split())
        yield start, end
    finally:
        process.terminate()
        await process.wait()


def _wait_recorded(place: Place) -> None:
    """Wait until the history is recorded, settled, and its keyframes are built."""
    keyframes = -1.0
    with place.connect() as connection:
        for _ in ticks(600, 3, "recording of the history"):
            found = _number(connection, "SELECT count(*) FROM keyframe_head")
            if flushed(connection) > QUICK.events and _lag(connection) < LIMIT and found == keyframes:
                return
            keyframes = found


async def _watch(place: Place, asked: Worker, start: int, end: int) -> tuple[Watched, Counter[int], list[float]]:
    """Look at the lag every half second, first without users, then with them."""
    whole = await asked.state(end)
    if whole.status != 200 or whole.bytes < 500 * QUICK.entities:
        raise SystemExit(f"no whole state is answered: {whole}")
    watched, answers, times = Watched(), Counter[int](), list[float]()
    watching = asyncio.ensure_future(asyncio.to_thread(_look, place, watched))
    await asyncio.sleep(QUIET)
    until = time.monotonic() + BUSY
    await asyncio.gather(*(_replay(asked, n, start, end, until, answers, times) for n in range(USERS)))
    await watching
    return watched, answers, times


def _look(place: Place, watched: Watched) -> None:
    begun = time.monotonic()
    with place.connect() as connection:
        while (at := time.monotonic() - begun) < QUIET + BUSY:
            watched.at.append(at)
            watched.lag.append(_lag(connection))
            time.sleep(0.5)


async def _replay(
    asked: Worker, user: int, start: int, end: int, until: float, answers: Counter[int], times: list[float]
) -> None:
    """One user: a state and the minute after it, at random, until the time is over."""
    rng, minute = random.Random(user), (end - start) * MINUTE // QUICK.events
    while time.monotonic() < until:
        at, name = rng.randrange(start + (end - start) // 10, end - minute), f"user-{user}"
        for answer in (await asked.state(at, name, "zstd"), await asked.events(at, at + minute, "zstd", name)):
            answers[answer.status] += 1
            times.append(answer.seconds)


def _lag(connection: psycopg.Connection[tuple[Any, ...]]) -> float:
    """Seconds that settled time is behind the database's clock."""
    return _number(connection, "SELECT extract(epoch FROM clock_timestamp() - settled_instant())")


def _number(connection: psycopg.Connection[tuple[Any, ...]], query: str) -> float:
    row = connection.execute(query.encode()).fetchone()
    return float("inf") if row is None or row[0] is None else float(row[0])
