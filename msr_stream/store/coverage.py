"""Coverage in the database."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from itertools import groupby
from typing import Any

from msr_stream.coverage import Covered, Interval, covered, within
from msr_stream.instants import FIRST, LAST
from msr_stream.source.slots import Counts, Look, made_anew
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

    async def slot_seen(self, source: str, look: Look, ask: Callable[[], Awaitable[object]]) -> str | None:
        """Keep what a look at a source's replication slots has shown; returns why coverage has ended by it, if it has.

        It ends once a slot is lost; and as of the look before, when one was dropped and made anew meanwhile. Only a
        snapshot that was read after this look then shows what there is. A connector that is down ends no coverage:
        what it has not sent yet lies in the slot.

        Args:
            source: the source.
            look: what was seen.
            ask: asks for such a snapshot of a slot made anew; what it raises leaves everything as it was.
        """
        async with self._database.recording() as connection, connection.transaction():
            before = await connection.fetchrow(_sql["hold_slots"], source)
            if before is not None and look.began < (before["slot_checked_at"] or FIRST):
                return None  # somebody else has looked later
            was_lost, lost = before is not None and before["slot_lost"], look.state in _LOST
            kept = json.dumps({name: [*counts] for name, counts in look.counts.items()})
            await connection.execute(_sql["slot_seen"], source, look.state, lost, kept, look.began, look.ended)
            if was_lost:
                return None
            anew = made_anew(_counts(before), look.counts)
            if not lost and not anew:
                return None
            why = f"slot lost: it is {look.state}" if lost else f"slot lost: {', '.join(anew)} was made anew"
            until = before["slot_captured_until"] if anew else None
            await connection.execute(_sql["end_coverage_of_source"], source, why, until, look.ended)
            if not lost:
                await ask()
        return why


def _counts(row: Any) -> dict[str, Counts]:
    """What was counted at a look."""
    kept = json.loads((row and row["slot_counts"]) or "{}")
    return {name: Counts(*counts) for name, counts in kept.items()}
