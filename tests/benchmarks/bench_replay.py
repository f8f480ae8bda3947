"""How fast any past moment is answered, beside plain COPY and the way without keyframes: `make bench`.

A long history is made up, in the real layout and with keyframes built by the real code; a worker (the real routes and
replay in a process of its own, without Faust) is asked over HTTP. All in one run, on one machine, so the ratios hold.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import psutil
from msr_local.ports import Ports
from msr_local.postgres import Postgres
from msr_local.tokens import Tokens

sys.path.insert(0, str(Path(__file__).parents[2]))

from msr_stream.settings import Settings
from msr_stream.store.database import Connection, Database
from msr_stream.store.keyframes import Pace
from msr_stream.store.migrations import migrate
from tests.benchmarks.asking import Answer, Worker, worker
from tests.benchmarks.filling import FULL, QUICK, Filled, Size, fill

USERS = 50


class Row(NamedTuple):
    """One line of the result."""

    what: str
    found: str
    wanted: str
    ok: bool | None = None


class Bench:
    """One database with one history, and the worker that answers from it."""

    def __init__(self, settings: Settings, tokens: Tokens, size: Size) -> None:
        self.settings, self.size = settings, size
        self._tokens = tokens
        self.database = Database(settings)

    async def fill(self) -> Filled:
        """Make the history, in a schema of its own that is made anew."""
        await self.database.open()
        async with self.database.recording() as connection:
            await connection.execute(f"DROP SCHEMA IF EXISTS {self.settings.database_schema} CASCADE")
        await migrate(self.settings)
        async with self.database.recording() as connection:
            await connection.execute("UPDATE configuration SET value = '400' WHERE key = 'max_playback_range'")
        pace = Pace(self.settings.keyframe_factor, self.settings.keyframe_floor)
        return await fill(self.database, self.size, pace)

    def worker(self) -> Any:
        """The worker, as a context."""
        given = self.settings.model_dump(mode="json", exclude_unset=True)
        given["database_password"] = self.settings.database_password.get_secret_value()
        given["kafka_brokers"] = ",".join(given["kafka_brokers"])
        return worker(self._tokens, {name.upper(): str(value) for name, value in given.items()})

    async def close(self) -> None:
        """Leave, and take the history away."""
        async with self.database.recording() as connection:
            await connection.execute(f"DROP SCHEMA {self.settings.database_schema} CASCADE")
        await self.database.close()


async def copied(connection: Connection, at: int) -> float:
    """Seconds of a plain COPY to a file of the rows that a state has; the median of five."""
    await connection.execute("DROP TABLE IF EXISTS bench_rows")
    await connection.execute(
        """CREATE TABLE bench_rows AS SELECT entity_id, entity_state, op, event_timestamp, table_name FROM (
        SELECT DISTINCT ON (table_name, entity_id) * FROM cdc_event WHERE event_timestamp <= $1
        ORDER BY table_name, entity_id, event_timestamp DESC, position DESC) e WHERE op <> 'd'""",
        at,
        timeout=600,
    )
    with tempfile.TemporaryDirectory() as folder:

        async def once() -> None:
            await connection.copy_from_table("bench_rows", output=str(Path(folder) / "rows"))

        return median([await timed(once) for _ in range(5)])


async def todays_way(connection: Connection, at: int) -> float:
    """Seconds of the way without keyframes: the last event of each entity, all rows fetched, one array serialised."""

    async def once() -> None:
        found = await connection.fetch(
            """SELECT DISTINCT ON (table_name, entity_id) entity_id, entity_state, op, event_timestamp, table_name
            FROM cdc_event WHERE event_timestamp <= $1
            ORDER BY table_name, entity_id, event_timestamp DESC, position DESC""",
            at,
            timeout=600,
        )
        rows = [{**row, "entity_state": json.loads(row["entity_state"])} for row in found if row["op"] != "d"]
        json.dumps({"data": rows}).encode()

    return await timed(once)


async def timed(work: Callable[[], Awaitable[None]]) -> float:
    """Seconds that some work takes."""
    begun = time.perf_counter()
    await work()
    return time.perf_counter() - begun


async def measure(bench: Bench, filled: Filled) -> tuple[list[Row], list[Answer], float, float]:
    """All figures of one history; and the answers, COPY and today's way for the plot."""
    rng = random.Random(3)
    settling = filled.start + (filled.end - filled.start) // 10  # every entity was created by then
    instants = sorted(rng.randrange(settling, filled.end) for _ in range(20))
    async with bench.database.recording() as connection:
        await connection.execute("SET enable_seqscan TO on")
        copy = await copied(connection, instants[-1])
        today = median([await todays_way(connection, at) for at in rng.sample(instants, 3)])
        [kept] = await connection.fetch(
            "SELECT (SELECT sum(keyframe_rows) FROM keyframe_head) AS rows, (SELECT sum(events) FROM shard) AS events"
        )
    async with bench.worker() as asked:
        await asked.state(instants[0])
        idle = asked.resident()
        answers, alone = await asked.memory(_one_after_the_other(asked, instants))
        rows = _alone(answers, copy, today)
        rows.append(Row("memory above idle during one answer", f"{alone - idle:.0f} MB", "64 MB", alone - idle < 64))
        ten, memory = await asked.memory(asyncio.gather(*(asked.state(at, f"user-{at}") for at in instants[:10])))
        rows.append(Row("memory during 10 at once", f"{memory:.0f} MB", "300 MB", memory < 300 and _good(ten)))
        rows += await _minute(asked, bench.size, filled, rng)
        for what, chosen in (
            ("the same instant", [instants[7]] * USERS),
            ("different instants", [rng.randrange(settling, filled.end) for _ in range(USERS)]),
        ):
            crowd = await asyncio.gather(*(asked.state(at, f"user-{n}", "zstd") for n, at in enumerate(chosen)))
            last, failed = max(one.seconds for one in crowd), sum(one.status != 200 for one in crowd)
            limit = "6 s" if what == "the same instant" else "none failing"
            ok = not failed and (last < 6 or what != "the same instant")
            rows.append(Row(f"{USERS} users at once, {what}: last answer", f"{last:.1f} s, {failed} failed", limit, ok))
    per_event = 1 + int(kept["rows"]) / int(kept["events"])
    rows.append(Row("rows kept per event", f"{per_event:.2f}", "1.6", per_event <= 1.6))
    return rows, answers, copy, today


async def _one_after_the_other(asked: Worker, instants: list[int]) -> list[Answer]:
    return [await asked.state(at) for at in instants]


def _good(answers: list[Answer]) -> bool:
    return all(answer.status == 200 for answer in answers)


def _alone(answers: list[Answer], copy: float, today: float) -> list[Row]:
    assert _good(answers)
    whole = sorted(answer.seconds for answer in answers)
    middle, worst, first = median(whole), whole[-1], max(answer.first for answer in answers)
    return [
        Row("answer", f"{answers[-1].bytes / 1e6:.0f} MB", ""),
        Row("plain COPY of the same rows to a file", f"{copy:.3f} s", ""),
        Row("state, median of 20", f"{middle:.3f} s = {middle / copy:.1f} x COPY", "3 x", middle <= 3 * copy),
        Row("state, worst of 20", f"{worst:.3f} s = {worst / copy:.1f} x COPY", "4.5 x", worst <= 4.5 * copy),
        Row("today's way", f"{today:.3f} s = {today / middle:.1f} x ours", "10 x", today >= 10 * middle),
        Row("first byte, worst", f"{first:.3f} s", "0.3 s", first < 0.3),
        Row("worst instant to best", f"{worst / whole[0]:.1f} x", "4 x", worst <= 4 * whole[0]),
    ]


async def _minute(asked: Worker, size: Size, filled: Filled, rng: random.Random) -> list[Row]:
    """A window with as many events as a busy minute has."""
    length = (filled.end - filled.start) * 7_200 // size.events
    starts = [rng.randrange(filled.start, filled.end - length) for _ in range(10)]
    answers = [await asked.events(start, start + length) for start in starts]
    middle = median(answer.seconds for answer in answers)
    what = f"7,200 events ({answers[0].bytes / 1e6:.1f} MB), cold, median of 10"
    return [Row(what, f"{middle * 1000:.0f} ms", "150 ms", middle < 0.15 and _good(answers))]


async def growth(settings: Settings, tokens: Tokens, size: Size, factors: list[int]) -> list[Row]:
    """The median state with so many times the history."""
    medians: dict[int, float] = {}
    for factor in factors:
        bench = Bench(settings, tokens, replace(size, events=size.events * factor))
        filled = await bench.fill()
        rng = random.Random(3)
        chosen = [rng.randrange((filled.start + filled.end) // 2, filled.end) for _ in range(20)]
        async with bench.worker() as asked:
            await asked.state(chosen[0])
            medians[factor] = median(answer.seconds for answer in await _one_after_the_other(asked, chosen))
        await bench.close()
    base = next(iter(medians.values()), 0.0)
    return [
        Row(f"state, {factor} x the history ({size.entities:,} entities, {size.events * factor:,} events)",
            f"{seconds:.3f} s = {seconds / base:.2f} x", "1.3 x", seconds <= 1.3 * base)
        for factor, seconds in medians.items()
    ]  # fmt: skip


@contextmanager
def database(dsn: str | None, folder: Path) -> Iterator[dict[str, Any]]:
    """Where the history is made: the server that a DSN names, or one from the wheel with 512 MB of shared buffers."""
    if dsn:
        parts = urlsplit(dsn)
        yield {
            "database_host": parts.hostname, "database_port": parts.port or 5432, "database_name": parts.path[1:],
            "database_user": unquote(parts.username or "postgres"), "database_password": unquote(parts.password or ""),
        }  # fmt: skip
        return
    server = Postgres(folder, Ports.unused().postgres)
    server.start()
    try:
        server.wait_ready()
        with server.connect("postgres") as connection:
            connection.execute("ALTER SYSTEM SET shared_buffers TO '512MB'")
        server.stop()
        server.start()
        server.wait_ready()
        yield {
            "database_host": "127.0.0.1", "database_port": server.port, "database_name": "history",
            "database_user": "aoh_msr_user", "database_password": "",
        }  # fmt: skip
    finally:
        server.stop()


def table(rows: list[Row], size: Size, server: str) -> str:
    """The result as a Markdown table, with the machine and the day."""
    machine = f"{psutil.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {server}"
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}, {machine}; all share them; load {psutil.getloadavg()[0]:.1f}.",
        f"{size.entities:,} entities, {size.events:,} events of 1 KB over {size.days} days, {size.shards} shards.",
        "",
        "| what | found | wanted | |",
        "|---|---|---|---|",
    ]
    marks = {True: "reached", False: "missed", None: ""}
    return "\n".join(lines + [f"| {row.what} | {row.found} | {row.wanted} | {marks[row.ok]} |" for row in rows])


def plot(path: Path, answers: list[Answer], copy: float, today: float) -> None:
    """The 20 answers beside COPY and today's way, as a picture."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - takes a second, and only a plot needs it

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    numbers = range(1, len(answers) + 1)
    axes.bar(numbers, [answer.seconds for answer in answers], color="#3b6ea5", label="state over HTTP")
    axes.plot(numbers, [answer.first for answer in answers], "o", color="#f2a33a", label="its first byte")
    axes.axhline(copy, color="#2f8f5b", label="plain COPY of the same rows")
    axes.axhline(today, color="#b5403b", linestyle="--", label="today's way")
    axes.set_yscale("log")
    axes.set_xlabel("random instant, early to late")
    axes.set_ylabel("seconds")
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)


async def run(settings: Settings, tokens: Tokens, size: Size, factors: list[int], picture: Path) -> None:
    """Measure, print, draw."""
    bench = Bench(settings, tokens, size)
    begun = time.perf_counter()
    filled = await bench.fill()
    print(f"filled in {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    async with bench.database.recording() as connection:
        server = "PostgreSQL " + await connection.fetchval("SELECT current_setting('server_version')")
        found = await connection.fetchval("SELECT max(extversion) FROM pg_extension WHERE extname = 'timescaledb'")
    rows, answers, copy, today = await measure(bench, filled)
    await bench.close()
    rows += await growth(
        settings, tokens, replace(QUICK, events=QUICK.events // 10 if size is QUICK else QUICK.events), factors
    )
    print(table(rows, size, server + (f", TimescaleDB {found}" if found else ", plain")))
    plot(picture, answers, copy, today)
    print(f"\nplot: {picture}", file=sys.stderr)


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="100,000 entities and 3.6 million events, else a tenth")
    parser.add_argument("--dsn", help="a database to use, where this user may make a schema; else one is started")
    parser.add_argument("--growth", default="1,3,10", help="how many times the history, with commas; empty: left out")
    parser.add_argument("--plot", type=Path, default=Path("bench_replay.png"), help="where the picture goes")
    chosen = parser.parse_args()
    factors = [int(text) for text in chosen.growth.split(",") if text]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        tokens = Tokens(folder)
        tokens.ensure()
        with database(chosen.dsn, folder) as where:
            settings = Settings(
                **where, database_schema="msr_bench", kafka_brokers=["127.0.0.1:9"], iams_keycloak_url=tokens.issuer,
                iams_jwks_file=tokens.jwks_file, replay_patience=300.0,
            )  # fmt: skip
            asyncio.run(run(settings, tokens, FULL if chosen.full else QUICK, factors, chosen.plot))


if __name__ == "__main__":
    main()
