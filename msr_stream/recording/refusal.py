"""A run that the database refuses is halved until the record is found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from msr_stream import logs
from msr_stream.records.change import Change, DeadLetter, Decoded

log = logs.get(__name__)


def halves(
    error: asyncpg.PostgresError, decoded: Sequence[Decoded], records: Sequence[Any], end: int
) -> list[tuple[Sequence[Decoded], Sequence[Any], int]]:
    """A refused run in halves; a single refused record as a dead letter."""
    if len(records) == 1:
        log.warning("refused by the database", offset=records[0].offset, error=str(error))
        identity = decoded[0].identity if isinstance(decoded[0], Change) else None
        return [([DeadLetter(records[0].offset, "REFUSED_BY_DATABASE", str(error), identity)], records, end)]
    middle = len(records) // 2
    return [
        (decoded[:middle], records[:middle], records[middle].offset),
        (decoded[middle:], records[middle:], end),
    ]
