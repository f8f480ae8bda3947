"""What the story says has happened: rows to write, without a word of SQL.

Each can be written twice with the same outcome: a transaction whose end was not heard of is written again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Insert:
    """A new row."""

    table: str
    key: Row
    values: Row


@dataclass(frozen=True, slots=True)
class Update:
    """New values of a row; `values` may hold a new key."""

    table: str
    key: Row
    values: Row


@dataclass(frozen=True, slots=True)
class Delete:
    """A row that is gone."""

    table: str
    key: Row


@dataclass(frozen=True, slots=True)
class Batch:
    """Many new rows at once, by COPY; the first column is a number that rises by one from row to row."""

    table: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class Purge:
    """The rows of batches whose first column is in [first, last)."""

    table: str
    column: str
    first: int
    last: int


Change = Insert | Update | Delete | Batch | Purge


def size(change: Change) -> int:
    """How many rows it changes."""
    if isinstance(change, Batch):
        return len(change.rows)
    if isinstance(change, Purge):
        return change.last - change.first
    return 1
