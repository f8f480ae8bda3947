"""Coverage in the database."""

from __future__ import annotations

from itertools import groupby

from msr_stream.coverage import Covered, Interval, covered, within
from msr_stream.instants import FIRST, LAST
from msr_stream.store import queries
from msr_stream.store.database import Database

_sql = queries.load("coverage")
#: States of a slot of which nothing more will come.
_LOST = ("lost", "missing")


class Coverage:
    """What is known of intervals recorded completely."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tables(self, start: int, end: int) -> list[tuple[str, str, Covered]]:
        """Every table (name, source) with its intervals and gaps in a window."""
        async with self._database.looking() as connection:
            rows = await connection.fetch(_sql["tables"])
        found = []
        for (table, source, since), of_table in groupby(
            rows, lambda row: (row["table_name"], row["source"], row["since"])
        ):
            shards: dict[int, list[Interval]] = {}
            for row in of_table:
                begin = FIRST if row["covered_from"] is None else min(row["covered_from"], LAST)
                ends = LAST if row["covered_until"] is None else row["covered_until"]
                shards.setdefault(row["shard_id"], []).append(Interval(begin, ends, row["reason"]))
            found.append((table, source, within(covered(since, shards.values()), start, end)))
        return found

    async def gaps(self) -> dict[str, int]:
        """By source, how many intervals of its shards have ended, but not for good."""
        async with self._database.serving() as connection:
            return {row["source"]: row["gaps"] for row in await connection.fetch(_sql["gaps"])}

    async def slot_seen(self, source: str, state: str) -> bool:
        """Keep what a look at a source's replication slot has shown; once it is lost, coverage ends: returns whether.

        A connector that is down ends none: what it has not sent yet lies in the slot.
        """
        async with self._database.recording() as connection, connection.transaction():
            lost: bool = await connection.fetchval(_sql["slot_seen"], source, state, state in _LOST)
            if lost:
                await connection.execute(_sql["end_coverage_of_source"], source, f"slot lost: it is {state}")
        return lost
