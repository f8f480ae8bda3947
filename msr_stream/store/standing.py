"""Where the history stands, in one short look: enough to know an answer's segment without opening a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from msr_stream import instants
from msr_stream.bounds import Bounds
from msr_stream.instants import DAY, FIRST
from msr_stream.store import queries
from msr_stream.store.database import Connection, Database

_sql = queries.load("replay")
_settling = queries.load("settling")


class Missing(NamedTuple):
    """Tables of which an answer may not have all.

    Attributes:
        pending: more of them may still come.
        uncovered: what is missing of them stays missing.
    """

    pending: frozenset[str]
    uncovered: frozenset[str]

    @property
    def names(self) -> list[str]:
        """All of them."""
        return sorted(self.pending | self.uncovered)

    def among(self, tables: Sequence[str]) -> Missing:
        """Those that an answer about some tables depends on; none given: all.

        Of a topic without any record yet the table is known without its source's prefix.
        """
        if not tables:
            return self
        pending, uncovered = (
            frozenset(name for name in names if any(f".{table}".endswith(f".{name}") for table in tables))
            for names in self
        )
        return Missing(pending, uncovered)


@dataclass(frozen=True)
class Standing:
    """What a segment's key and headers are made of.

    Attributes:
        epoch: of the history: raised before anything is taken out of it.
        bounds: between what a replay may move.
        missing: tables of which an answer may not have all.
    """

    epoch: int
    bounds: Bounds
    missing: Missing


class Standings:
    """Looks where the history stands."""

    def __init__(self, database: Database, clock: Callable[[], int] = instants.now) -> None:
        self._database, self._clock = database, clock

    async def at(self, moment: int | None, start: int | None = None) -> Standing | None:
        """Where the history stands for an instant, or for a window that ends with it.

        Args:
            moment: `None`: the settled instant.
            start: the window's beginning.

        Returns:
            `None` if the instant is not settled, or nothing is recorded.

        Raises:
            Unavailable: the database is away or busy.
        """
        async with self._database.looking() as connection, connection.transaction(isolation="repeatable_read"):
            row = await connection.fetchrow(_sql["bounds"])
            settled = await connection.fetchrow(_settling["settled"])
            bounds = bounds_of(row, settled, self._clock())
            latest = bounds.latest_answer
            if latest is None or not bounds.shards or (moment is not None and moment > latest):
                return None
            at = latest if moment is None else moment
            return Standing(row["epoch"], bounds, await missing(connection, at, at if start is None else start))


async def missing(connection: Connection, at: int, start: int) -> Missing:
    """Tables of which an answer may not have all, from one instant to another (the same for a state)."""
    pending = await connection.fetch(_sql["pending"], at)
    uncovered = await connection.fetch(_sql["uncovered"], start, at)
    return Missing(frozenset(row["table_name"] for row in pending), frozenset(row["table_name"] for row in uncovered))


def bounds_of(row: Mapping[str, Any], settled: Mapping[str, Any], now: int) -> Bounds:
    """Between what a replay may move, from the rows of `bounds` and `settled`."""
    longest = row["max_playback_range"] * DAY
    earliest = max(now - longest, row["earliest_valid"], row["retained_from"] or FIRST)
    return Bounds(now, earliest, longest, settled["settled_until"], bool(settled["shards"]))
