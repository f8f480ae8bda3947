"""In which order services end: first those that use others, then Kafka and PostgreSQL."""

import time
from collections.abc import Iterable
from pathlib import Path

from msr_local import records
from msr_local.postgres import Postgres
from msr_local.process import Service


def stop_together(services: Iterable[Service]) -> None:
    """Ask all to stop, then wait for each until its own limit, counted from now."""
    asked = time.monotonic()
    services = [service for service in services if service.was_started]
    for service in services:
        service.ask_to_stop()
    for service in services:
        service.await_end(max(0.0, asked + service.grace - time.monotonic()))


def reap(root: Path) -> list[str]:
    """End what an earlier run in this folder left behind, in the same order as a running stack's.

    Args:
        root: The stack's folder.

    Returns:
        The names of the services that still lived.
    """
    names = records.names(root)
    last = [name for name in names if name in {"kafka", "postgres"}]
    first = [name for name in names if name not in {"kafka", "postgres", "supervisor"}]
    found = records.reap(root, first, {}, 10)
    return found + records.reap(root, last, {"postgres": Postgres.stop_signal}, 10)
