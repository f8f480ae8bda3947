"""How fast workers record: beside PostgreSQL's own COPY of the same rows, and beside Debezium's JDBC sink.

A topic of four partitions is filled with envelopes of about 1 KB. One worker records it, two do, and the sink writes it
into a table, in turn and several rounds, so that a machine whose speed changes treats them alike.
"""

from __future__ import annotations

import asyncio
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import psycopg
from msr_local.programs import Worker
from msr_local.stack import Stack

from tests.benchmarks import jdbc_sink
from tests.benchmarks.brokers import broker, flushed, worker_settings
from tests.benchmarks.envelopes import PLAIN, TOAST, Case, envelopes, fill
from tests.benchmarks.place import Place, tell, ticks
from tests.benchmarks.report import Part, Row, at_least, at_most


@dataclass(frozen=True)
class Recorded:
    """One recording: events a second, peak memory of a worker (MB), CPU seconds of all per million events."""

    rate: float
    memory: float
    cpu: float


@dataclass
class Rounds:
    """What the rounds found; rates in rows a second."""

    one: list[Recorded] = field(default_factory=list)
    two: list[Recorded] = field(default_factory=list)
    copy: list[float] = field(default_factory=list)
    sink: list[float] = field(default_factory=list)
    sink_cpu: list[float] = field(default_factory=list)


def measure(place: Place, events: int, rounds: int) -> Part:
    """All of it."""
    found = _rounds(place, PLAIN, events, rounds, peers=True)
    hard = _rounds(place, TOAST, events, 1, peers=False)
    note = f"{events:,} events of 1 KB, four partitions; median of {rounds} rounds"
    drawn = {
        "one worker": _rate(found.one),
        "two workers": _rate(found.two),
        "JDBC sink, one task": median(found.sink),
        "raw COPY": median(found.copy),
    }
    return Part("Recording", note, [*_peers(found), *_costs(found), *_hard(hard)], drawn)


def _peers(found: Rounds) -> list[Row]:
    copied = median(one.rate / copy for one, copy in zip(found.one, found.copy, strict=True))
    ahead = median(one.rate / sink for one, sink in zip(found.one, found.sink, strict=True))
    rates = ", ".join(f"{one.rate / sink:.2f}" for one, sink in zip(found.one, found.sink, strict=True))
    return [
        Row("one worker, updates without `before`", f"{_rate(found.one):,.0f} events/s"),
        Row("Debezium's JDBC sink, one task, the same topic", f"{median(found.sink):,.0f} rows/s"),
        at_least("worker to JDBC sink", ahead, 1, f"{ahead:.2f} x (rounds: {rates})", "more than 1 x, aim 1.3 x"),
        Row("raw COPY of the recorded rows, same indexes", f"{median(found.copy):,.0f} rows/s"),
        at_least("worker to raw COPY", copied, 0.25, f"{copied:.2f}", "0.25"),
    ]


def _costs(found: Rounds) -> list[Row]:
    memory = max(one.memory for one in found.one)
    alone, shared = median(one.cpu for one in found.one), median(two.cpu for two in found.two)
    more = median(two.cpu / one.cpu for one, two in zip(found.one, found.two, strict=True))
    return [
        at_most("peak memory of the worker", memory, 300, f"{memory:.0f} MB", "300 MB"),
        Row("two workers", f"{_rate(found.two):,.0f} events/s"),
        at_most(
            "CPU seconds per million events, two workers to one", more, 1.15,
            f"{shared:.1f} to {alone:.1f} s = {more:.3f} x", "1.15 x",
        ),
        Row("the JDBC sink's CPU seconds per million", f"{median(found.sink_cpu):.1f} s"),
    ]  # fmt: skip


def _hard(found: Rounds) -> list[Row]:
    share = found.one[0].rate / found.copy[0]
    return [
        Row(f"one worker, {TOAST.name}", f"{found.one[0].rate:,.0f} events/s = {share:.2f} of raw COPY"),
        Row("its CPU seconds per million events", f"{found.one[0].cpu:.1f} s"),
    ]


def _rate(recorded: list[Recorded]) -> float:
    return median(one.rate for one in recorded)


def _rounds(place: Place, case: Case, events: int, rounds: int, *, peers: bool) -> Rounds:
    """Fill the topic, then record it again and again."""
    found = Rounds()
    with broker() as stack:
        asyncio.run(fill(stack.kafka.brokers, envelopes(case, events)))
        for number in range(rounds):
            tell(f"recording, round {number + 1} of {rounds}: {case.name}")
            with _emptied(place):
                found.one.append(_record(stack, place, events, 1, f"one-{number}"))
                found.copy.append(_raw_copy(place))
            tell(f"  one worker {found.one[-1].rate:,.0f}/s, raw COPY {found.copy[-1]:,.0f}/s")
            if not peers:
                continue
            with _emptied(place):
                rate, cpu = jdbc_sink.record(stack, place, events, f"sink-{number}")
                found.sink.append(rate)
                found.sink_cpu.append(cpu)
                with place.connect() as connection:
                    _check_rows(connection, jdbc_sink.TABLE, events)
            with _emptied(place):
                found.two.append(_record(stack, place, events, 2, f"two-{number}"))
            tell(f"  the JDBC sink {found.sink[-1]:,.0f}/s, two workers {found.two[-1].rate:,.0f}/s")
    return found


@contextmanager
def _emptied(place: Place) -> Iterator[None]:
    """A database without the benchmark's schema, before and after, that has written out what came before."""
    place.drop()
    try:
        yield
    finally:
        place.drop()
    with place.connect() as connection:
        try:
            connection.execute("CHECKPOINT")
        except psycopg.errors.InsufficientPrivilege:
            return


def _record(stack: Stack, place: Place, events: int, workers: int, group: str) -> Recorded:
    """Let workers record the topic; counted from when each of them has recorded something."""
    started = [stack.add_worker(worker_settings(place, group), wait=False) for _ in range(workers)]
    processes = [psutil.Process(worker.pid) for worker in started]
    first: tuple[float, int, float] | None = None
    with place.connect() as connection:
        for _ in ticks(900, 0.02, "recording"):
            done = flushed(connection)
            if done >= events:
                break
            if done and first is None and all(_has_recorded(worker) for worker in started):
                first = time.perf_counter(), flushed(connection), _cpu(processes)
            _check(started)
        now, cpu = time.perf_counter(), _cpu(processes)
        _check_rows(connection, "cdc_event", events)
    memory = max(_peak(process.pid) for process in processes)
    for worker in started:
        stack.remove_worker(worker)
    if first is None:
        raise SystemExit("a worker got nothing to record before the end of the topic: take more --events")
    counted = events - first[1]
    return Recorded(counted / (now - first[0]), memory, (cpu - first[2]) / counted * 1e6)


def _check(workers: list[Worker]) -> None:
    for worker in workers:
        if not worker.alive:
            raise SystemExit(f"{worker.name} ended: {worker.last_words()}")


def _check_rows(connection: psycopg.Connection[tuple[Any, ...]], table: str, events: int) -> None:
    """Each record must have become one row: a rate without that says nothing."""
    row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    if row is None or row[0] != events:
        raise SystemExit(f"{table} has {row} rows of {events:,} records")


def _has_recorded(worker: Worker) -> bool:
    """Whether its metrics count an event."""
    try:
        with urllib.request.urlopen(worker.metrics_url, timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return False
    counts = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith("msr_recorded_events_total")]
    return any(float(count) > 0 for count in counts)


def _cpu(processes: list[psutil.Process]) -> float:
    """CPU seconds of all threads, user and system."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _peak(pid: int) -> float:
    """The most memory the process ever had, MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def _raw_copy(place: Place) -> float:
    """Rows a second of one binary COPY of the recorded rows into a table with the same indexes."""
    with place.connect() as connection:
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
