"""The peer in recording: Debezium's JDBC sink, which writes one row for each record of the same topic.

It gets what makes it fast: the second compiler of the JVM (the local stack starts Connect without), rewritten batches,
fetches and batches of thousands. It is told the records' schema, which they do not carry (KIP-1054), and keeps each
record as a row of its own, by the record's place in the topic.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
from msr_local import maven, rest
from msr_local.connect import Connect
from msr_local.errors import LocalError
from msr_local.java import Jars
from msr_local.stack import DEFAULT_ROOT, Stack

from tests.benchmarks import envelopes
from tests.benchmarks.place import SCHEMA, Place, ticks

POM = Path(__file__).parent / "sink" / "pom.xml"
TABLE = "bench_sink"
#: Its JVM is warm once it has written this share of the rows; the rate is counted from there.
WARM = 0.25


@dataclass(frozen=True)
class SinkJars(Jars):
    """Connect's own jars as ever, the sink's folder as plugin path."""

    sink: Path = DEFAULT_ROOT / "jdbc-sink"

    @property
    def plugins(self) -> Path:
        """Where the sink is."""
        return self.sink / "plugins"

    def java(self, main: str, *arguments: str, heap: str) -> list[str]:
        """The command line, with both compilers and a heap that is large enough not to matter."""
        command = super().java(main, *arguments, heap="1g")
        return [part for part in command if part != "-XX:TieredStopAtLevel=1"]

    def fetch(self, halt: threading.Event | None = None) -> bool:
        """Let Maven bring the sink, unless it is there."""
        return maven.fetch(POM, self.sink, "Debezium's JDBC sink", ("plugins",), halt)


def record(stack: Stack, place: Place, events: int, name: str) -> tuple[float, float]:
    """Let one task write the topic's records into a table; rows a second, and Connect's CPU seconds per million.

    Each time under another name, since Connect keeps how far a connector of that name has read.
    """
    with _connect(stack) as connect, place.connect() as database:
        database.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}".encode())
        connect.put(name, settings(place))
        process, warm = psutil.Process(connect.pid), None
        for _ in ticks(900, 0.05, "the JDBC sink"):
            done = _written(database)
            if done >= events:
                break
            if warm is None and done >= events * WARM:
                warm = time.perf_counter(), done, sum(process.cpu_times()[:2])
            _check(connect, name)
        assert warm is not None
        seconds, cpu = time.perf_counter() - warm[0], sum(process.cpu_times()[:2]) - warm[2]
        connect.delete(name)
    return (events - warm[1]) / seconds, cpu / (events - warm[1]) * 1e6


def settings(place: Place) -> dict[str, str]:
    """Of the connector."""
    return {
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        "tasks.max": "1",
        "topics": envelopes.TOPIC,
        "connection.url": (
            f"jdbc:postgresql://{place.host}:{place.port}/{place.name}"
            f"?reWriteBatchedInserts=true&currentSchema={SCHEMA}"
        ),
        "connection.username": place.user,
        "connection.password": place.password or "none",
        "collection.name.format": TABLE,
        "insert.mode": "insert",
        "primary.key.mode": "kafka",
        "schema.evolution": "basic",
        "batch.size": "2000",
        "consumer.override.auto.offset.reset": "earliest",
        "consumer.override.max.poll.records": "4000",
        "consumer.override.fetch.min.bytes": "262144",
        "consumer.override.max.partition.fetch.bytes": "4194304",
        "key.converter": "org.apache.kafka.connect.json.JsonConverter",
        "key.converter.schemas.enable": "false",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "true",
        "value.converter.schema.content": json.dumps(envelopes.schema()),
    }


@contextmanager
def _connect(stack: Stack) -> Iterator[Connect]:
    """A Kafka Connect beside the stack's broker, with the sink as its only plugin."""
    jars = SinkJars(stack.jars.folder)
    jars.fetch()
    connect = Connect(stack.root, stack.ports.connect, stack.kafka.brokers, jars)
    connect.start()
    try:
        connect.wait_ready(120)
        yield connect
    finally:
        connect.stop()


def _written(database: psycopg.Connection[tuple[Any, ...]]) -> int:
    """Rows in the table, by the places that they have in the topic: the key's index answers at once."""
    query = f"""SELECT sum((SELECT max(__connect_offset) + 1 FROM {TABLE}
        WHERE __connect_topic = %s AND __connect_partition = p))::bigint FROM generate_series(0, %s) p"""
    try:
        row = database.execute(query.encode(), (envelopes.TOPIC, envelopes.PARTITIONS - 1)).fetchone()
    except psycopg.errors.UndefinedTable:
        return 0
    return row[0] or 0 if row else 0


def _check(connect: Connect, name: str) -> None:
    """Raise what made the task fail, if it did."""
    _, status = rest.request("GET", f"{connect.url}/connectors/{name}/status")
    for task in status.get("tasks", []) if isinstance(status, dict) else []:
        if task["state"] == "FAILED":
            raise LocalError(f"the JDBC sink failed: {_cause(task.get('trace', ''))}")


def _cause(trace: str) -> str:
    """The last of a Java trace's causes: the one that says what happened."""
    return trace.rsplit("Caused by: ", 1)[-1].split("\n", 1)[0][:500]
