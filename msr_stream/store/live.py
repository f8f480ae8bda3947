"""What a listener is told, part by part, as one snapshot shows it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import NamedTuple

import msgspec

from msr_stream import instants
from msr_stream.instants import FIRST
from msr_stream.live import Part, Place, Spot
from msr_stream.replay import EventsQuery, Filter
from msr_stream.store import queries
from msr_stream.store.snapshot import Snapshot

_sql = queries.load("live")

#: Takes an event's place and its line of JSON.
Teller = Callable[[Place, bytes], Awaitable[None]]


class Behind(NamedTuple):
    """Shards of which a listener does not hear as far as of the others.

    Attributes:
        own: those of which more may come, with their own settled instants.
        tables: by shard; of shards that the listener is late with too.
    """

    own: dict[int, int]
    tables: dict[int, list[str]]

    def names(self, shards: Collection[int], among: Collection[str] = ()) -> list[str]:
        """The tables of some of them, among these; empty: of all."""
        found = {name for shard in shards for name in self.tables.get(shard, ())}
        return sorted(found.intersection(among) if among else found)


async def behind(snapshot: Snapshot, at: int, late: Collection[int]) -> Behind:
    """Which shards are not settled up to an instant, and what is known of those that a listener is late with."""
    found = await snapshot.rows(_sql["behind"], at, list(late))
    own = {row["shard_id"]: FIRST if row["settled_until"] is None else row["settled_until"]
           for row in found if row["behind"]}  # fmt: skip
    return Behind(own, {row["shard_id"]: row["tables"] for row in found})


async def tell(snapshot: Snapshot, place: Place, part: Part, chosen: Filter, teller: Teller) -> tuple[Place, int]:
    """Tell the chosen events of a part; returns the place after it, and how many bytes they were."""
    telling = _Telling(place, part, teller)
    start = part.after.instant if part.after.seen is None else part.after.instant - 1
    late = place.late_shards
    of = late.isdisjoint if part.front is None else place.late[part.front].shards.issuperset
    await snapshot.events(EventsQuery(start, part.end, chosen), telling, lambda shard: of((shard,)))
    return place.told(part.front, Spot(part.end)), telling.bytes


class _Stamp(msgspec.Struct):
    event_timestamp: str


class _Telling:
    """A sink that numbers the events of a part, and tells those that were not told before."""

    def __init__(self, place: Place, part: Part, teller: Teller) -> None:
        self.bytes = 0
        self._place, self._part, self._teller = place, part, teller
        self._spot = Spot(FIRST)

    async def __call__(self, piece: bytes) -> None:
        self.bytes += len(piece)
        after = self._part.after
        for row in piece.splitlines():
            line = row[1:]  # after a comma
            at = instants.parse(msgspec.json.decode(line, type=_Stamp).event_timestamp)
            self._spot = spot = self._spot.following(at)
            if at > after.instant or (after.seen is not None and (spot.seen or 0) > after.seen):
                await self._teller(self._place.told(self._part.front, spot), line)
