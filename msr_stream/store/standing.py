"""Where the history stands, in one short look: enough to know an answer's segment without opening a snapshot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msr_stream import instants
from msr_stream.instants import DAY, FIRST
from msr_stream.replay import Bounds
from msr_stream.store import queries
from msr_stream.store.database import Database

_sql = queries.load("replay")
_settling = queries.load("settling")


@dataclass(frozen=True)
class Standing:
    """What a segment's key and headers are made of.

    Attributes:
        epoch: of the history: raised before anything is taken out of it.
        bounds: between what a replay may move.
        incomplete: tables of which this history may not have all that happened up to the instant.
    """

    epoch: int
    bounds: Bounds
    incomplete: tuple[str, ...]


class Standings:
    """Looks where the history stands."""

    def __init__(self, database: Database, clock: Callable[[], int] = instants.now) -> None:
        self._database, self._clock = database, clock

    async def at(self, moment: int | None) -> Standing | None:
        """Where the history stands for an instant (`None`: the settled one); `None` if it is not settled.

        Raises:
            Unavailable: the database is away or busy.
        """
        async with self._database.serving() as connection, connection.transaction(isolation="repeatable_read"):
            row = await connection.fetchrow(_sql["bounds"])
            settled = await connection.fetchrow(_settling["settled"])
            bounds = bounds_of(row, settled, self._clock())
            latest = bounds.latest_answer
            if latest is None or not bounds.shards or (moment is not None and moment > latest):
                return None
            found = await connection.fetch(_sql["incomplete"], latest if moment is None else moment)
        return Standing(row["epoch"], bounds, tuple(one["table_name"] for one in found))


def bounds_of(row: dict[str, int], settled: dict[str, int], now: int) -> Bounds:
    """Between what a replay may move, from the rows of `bounds` and `settled`."""
    longest = row["max_playback_range"] * DAY
    earliest = max(now - longest, row["earliest_valid"], row["retained_from"] or FIRST)
    return Bounds(now, earliest, longest, settled["settled_until"], bool(settled["shards"]))
