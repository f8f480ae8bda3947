"""How fast one worker records, beside PostgreSQL's own COPY of the same rows: `make bench`.

A topic of four partitions is filled with envelopes of about 1 KB; one worker records it; then the rows it
wrote are copied into a table made alike. All in one run, on one machine, so the ratio holds.
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
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
import psycopg
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from msr_local.programs import Worker
from msr_local.stack import Stack

PARTITIONS = 4
ENTITIES = 100_000
TABLE = "bench.entity"


@dataclass
class Case:
    """What the topic holds.

    Attributes:
        name: for the result.
        toast: every update has a placeholder for a large value that did not change.
        deletes: share of bare deletes.
    """

    name: str
    toast: bool = False
    deletes: float = 0.0


@dataclass
class Result:
    """What was measured; rates in events a second, memory in MB, CPU in seconds per million events."""

    case: str
    events: int
    rate: float
    raw_rate: float
    memory: float
    cpu: float


CASES = {
    "plain": Case("updates without `before`"),
    "toast": Case("a TOAST placeholder in every update, 10 % bare deletes", toast=True, deletes=0.1),
}


def envelopes(case: Case, count: int, seed: int = 7) -> list[tuple[bytes, bytes]]:
    """Keys and values of `count` records: every entity is created, then updated or deleted at random."""
    rng = random.Random(seed)
    filler = [rng.randbytes(330).hex() for _ in range(64)]
    started = time.time_ns() // 1000 - count * 10
    live: set[int] = set()
    entities = min(ENTITIES, count // 4)
    found = []
    for number in range(count):
        entity = number if number < entities else rng.randrange(entities)
        op = "c" if entity not in live else "d" if rng.random() < case.deletes else "u"
        live.symmetric_difference_update({entity} if op != "u" else ())
        row = {
            "id": entity, "tenant_id": f"t{entity % 2 + 1}", "lon": 103.8 + rng.random(), "lat": 1.2 + rng.random(),
            "speed": f"{rng.random() * 30:.3f}", "n": number, "note": filler[number % 64],
            "body": "__debezium_unavailable_value" if case.toast and op == "u" else "x" * 64,
        }  # fmt: skip
        bare = {"id": entity, "tenant_id": None, "note": None, "body": None}
        lsn = 1_000_000 + number * 64
        source = {
            "version": "3.6.1.Final", "connector": "postgresql", "name": "bench",
            "ts_ms": (started + number * 10) // 1000, "snapshot": "false",
            "db": "source", "sequence": json.dumps([str(lsn - 32), str(lsn)]),
            "ts_us": started + number * 10, "schema": "bench", "table": "entity", "txId": 700 + number, "lsn": lsn,
        }  # fmt: skip
        value = {
            "before": bare if op == "d" else None, "after": None if op == "d" else row, "source": source,
            "transaction": None, "op": op, "ts_ms": started // 1000,
        }  # fmt: skip
        found.append((json.dumps({"id": entity}).encode(), json.dumps(value, separators=(",", ":")).encode()))
    return found


async def fill(brokers: str, topic: str, records: list[tuple[bytes, bytes]]) -> None:
    """Make a topic and write the records to it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
    finally:
        await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=brokers, linger_ms=20, max_batch_size=1 << 18) as producer:
        for start in range(0, len(records), 5000):
            sent = [await producer.send(topic, value, key) for key, value in records[start : start + 5000]]
            await asyncio.gather(*sent)


def record(stack: Stack, events: int) -> tuple[float, float, float]:
    """Let one worker record the topic; events a second, peak memory (MB), CPU seconds per million events."""
    worker: Worker = stack.add_worker(wait=False)
    process = psutil.Process(worker.pid)
    first: tuple[float, int, float] | None = None
    with psycopg.connect(stack.history_dsn, autocommit=True) as connection:
        while True:
            done = _flushed(connection)
            now, cpu = time.perf_counter(), sum(process.cpu_times()[:2])
            if done and first is None:
                first = now, done, cpu
            if done >= events:
                break
            time.sleep(0.02)
    assert first is not None
    memory = _peak(worker.pid or 0)
    stack.remove_worker(worker)
    counted = events - first[1]
    return counted / (now - first[0]), memory, (cpu - first[2]) / counted * 1e6


def _flushed(connection: psycopg.Connection[tuple[int]]) -> int:
    try:
        row = connection.execute("SELECT coalesce(sum(flushed_offset + 1), 0)::bigint FROM msr.shard").fetchone()
    except psycopg.errors.UndefinedTable:
        return 0
    return row[0] if row else 0


def _peak(pid: int) -> float:
    """The most memory the process ever had, MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def raw_copy(stack: Stack) -> float:
    """Rows a second of one binary COPY of the recorded rows into a table with the same indexes."""
    with psycopg.connect(stack.history_dsn, autocommit=True) as connection:
        connection.execute("SET search_path TO msr")
        connection.execute("CREATE TABLE raw (LIKE cdc_event INCLUDING ALL)")
        with connection.cursor().copy("COPY (SELECT * FROM cdc_event) TO STDOUT (FORMAT binary)") as out:
            data = [bytes(block) for block in out]
        pieces = [b"".join(data[start : start + 200]) for start in range(0, len(data), 200)]
        started = time.perf_counter()
        with connection.cursor() as cursor:
            with cursor.copy("COPY raw FROM STDIN (FORMAT binary)") as copy:
                for piece in pieces:
                    copy.write(piece)
            rows = cursor.rowcount
        seconds = time.perf_counter() - started
        connection.execute("DROP TABLE raw")
    return rows / seconds


def run(case: Case, events: int) -> Result:
    """Fill, record, compare."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder))
        stack.tokens.ensure()
        try:
            for service in (stack.postgres, stack.kafka):
                service.start()
            for service in (stack.postgres, stack.kafka):
                service.wait_ready()
            records = envelopes(case, events)
            asyncio.run(fill(stack.kafka.brokers, TABLE.replace("bench.", "bench.bench."), records))
            del records
            rate, memory, cpu = record(stack, events)
            raw_rate = raw_copy(stack)
        finally:
            stack.stop()
    return Result(case.name, events, rate, raw_rate, memory, cpu)


def table(results: list[Result]) -> str:
    """The results as a Markdown table, with the machine and the day."""
    machine = f"{psutil.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}, {machine}; broker, database and worker share them.",
        "",
        "| case | events | recorded, events/s | raw COPY, rows/s | ratio | peak memory, MB | CPU s per million |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_line(result) for result in results]
    return "\n".join(lines)


def _line(result: Result) -> str:
    cells = [
        result.case,
        f"{result.events:,}",
        f"{result.rate:,.0f}",
        f"{result.raw_rate:,.0f}",
        f"{result.rate / result.raw_rate:.2f}",
        f"{result.memory:.0f}",
        f"{result.cpu:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Run the cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--case", choices=[*CASES, "all"], default="all")
    chosen = parser.parse_args()
    cases = CASES.values() if chosen.case == "all" else [CASES[chosen.case]]
    results = []
    for case in cases:
        print(f"recording {chosen.events:,} events: {case.name} …", file=sys.stderr)
        results.append(run(case, chosen.events))
    print(table(results))


if __name__ == "__main__":
    main()
