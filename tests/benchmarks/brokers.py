"""A broker to record from, and what a worker that records is set up with."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from msr_local.stack import Stack

from tests.benchmarks.place import Place


@contextmanager
def broker() -> Iterator[Stack]:
    """Kafka alone of the local stack; workers are added to it."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder))
        if not stack.jars.is_complete():
            stack.jars.fetch()
        stack.tokens.ensure()
        try:
            stack.kafka.start()
            stack.kafka.wait_ready()
            yield stack
        finally:
            stack.stop()


def worker_settings(place: Place, group: str) -> dict[str, str]:
    """Variables for a worker that records into a place; no connector and no source database are there to be watched."""
    return {**place.environment(), "APP_ID": group, "SOURCE_DSNS": "", "CONNECT_URL": ""}


def flushed(connection: psycopg.Connection[tuple[Any, ...]]) -> int:
    """How many of the topic's records are recorded."""
    try:
        row = connection.execute("SELECT coalesce(sum(flushed_offset + 1), 0)::bigint FROM shard").fetchone()
    except psycopg.errors.UndefinedTable:
        return 0
    return row[0] if row else 0
