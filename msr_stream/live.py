"""How far a listener of the past as it comes to be has been told. Pure.

All shards are told up to one instant, but for those that hold nobody up and are not settled that far (design, invariant
10): they stay where they are, and what comes late of them is told once they are settled, each shard in its own order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import NamedTuple

from msr_stream.errors import BadRequest

_SPOT = r"[0-9]{1,18}(?:\.[0-9]{1,9})?"
_SHARDS = r"[0-9]{1,9}(?:-[0-9]{1,9})?"
_PLACE = re.compile(rf"{_SPOT}(?:;{_SPOT}:{_SHARDS}(?:,{_SHARDS})*)*")
#: How many shards a place may name.
_MOST = 100_000


class Spot(NamedTuple):
    """`seen` events of an instant, or all of them (`None`), and everything before.

    What is settled never changes, hence neither does an event's number among those of its instant.
    """

    instant: int
    seen: int | None = None

    def __str__(self) -> str:
        return str(self.instant) if self.seen is None else f"{self.instant}.{self.seen}"

    @classmethod
    def parse(cls, text: str) -> Spot:
        """The spot of a text that has its form."""
        instant, dot, seen = text.partition(".")
        return cls(int(instant), int(seen) if dot else None)

    def following(self, instant: int) -> Spot:
        """The spot of an event that follows."""
        return Spot(instant, (self.seen or 0) + 1 if instant == self.instant and self.seen is not None else 1)


class Late(NamedTuple):
    """Shards that are not told as far as the others.

    Attributes:
        spot: how far they are.
        shards: their numbers.
    """

    spot: Spot
    shards: frozenset[int]

    def __str__(self) -> str:
        return f"{self.spot}:{_ranges(self.shards)}"


class Part(NamedTuple):
    """What is told next.

    Attributes:
        front: of which shards: the late ones with this number; `None`: of all that are not late.
        after: what was told of them.
        end: the instant up to which they are told.
    """

    front: int | None
    after: Spot
    end: int


class Place(NamedTuple):
    """How far a client has been told; the id of each event is its place, so that a client goes on exactly there.

    Attributes:
        spot: of all shards that are not late.
        late: the others.
    """

    spot: Spot
    late: tuple[Late, ...] = ()

    def __str__(self) -> str:
        return ";".join(map(str, (self.spot, *self.late)))

    @classmethod
    def parse(cls, text: str) -> Place:
        """The place that a `Last-Event-ID` names.

        Raises:
            BadRequest: it is none.
        """
        if _PLACE.fullmatch(text) is None:
            raise BadRequest(f"Last-Event-ID: got {text!r}, wants the id of an event of this stream")
        first, *others = text.split(";")
        late = []
        for other in others:
            spot, _, shards = other.partition(":")
            late.append(Late(Spot.parse(spot), _numbers(shards)))
        return cls(Spot.parse(first), tuple(late))

    @property
    def late_shards(self) -> frozenset[int]:
        """All that are late."""
        return frozenset().union(*(one.shards for one in self.late))

    def told(self, front: int | None, spot: Spot) -> Place:
        """The place after a front was told up to a spot; late shards that have caught up are like all others."""
        if front is None:
            return self._replace(spot=spot)
        moved = self.late[front]._replace(spot=spot)
        rest = self.late[:front], self.late[front + 1 :]
        return self._replace(late=(*rest[0], *([moved] if spot != self.spot else []), *rest[1]))

    def not_before(self, earliest: int) -> Place:
        """The same, but of late shards what retention may have taken is not asked for."""
        return self._replace(late=tuple(
            one if one.spot.instant >= earliest else one._replace(spot=Spot(earliest)) for one in self.late
        ))  # fmt: skip

    def leaving(self, shards: frozenset[int]) -> Place:
        """The same, with more late shards, which are told as far as all."""
        return self._replace(late=(*self.late, Late(self.spot, shards))) if shards else self


def next_part(place: Place, settled: int, own: Mapping[int, int], length: int) -> tuple[Place, Part | None]:
    """What can be told next, and the place seen so that this is a part of it.

    Args:
        place: how far the client is.
        settled: S, which is told up to.
        own: shards that hold nobody up and are not settled as far, with their own settled instants.
        length: how much of the past at a time, microseconds.
    """
    if place.spot.seen is not None:  # first the rest of an instant, of the same shards as its beginning
        return place, Part(None, place.spot, place.spot.instant)
    for number, late in enumerate(place.late):
        if late.spot.seen is not None:
            return place, Part(number, late.spot, late.spot.instant)
    if place.spot.instant < settled:
        return _next_of_most(place, settled, own, length)
    return _next_of_late(place, settled, own, length)


def _next_of_most(place: Place, settled: int, own: Mapping[int, int], length: int) -> tuple[Place, Part | None]:
    """The next part of shards that are not late: up to where one of them stays behind."""
    begin = place.spot.instant
    end = min(settled, begin + length)
    known = place.late_shards
    behind = {shard: instant for shard, instant in own.items() if instant < end and shard not in known}
    place = place.leaving(frozenset(shard for shard, instant in behind.items() if instant <= begin))
    end = min([end, *(instant for instant in behind.values() if instant > begin)])
    return place, Part(None, place.spot, end)


def _next_of_late(place: Place, settled: int, own: Mapping[int, int], length: int) -> tuple[Place, Part | None]:
    """The next part of late shards, of those that are settled again up to S apart from the others."""
    for number, late in enumerate(place.late):
        back = frozenset(shard for shard in late.shards if own.get(shard, settled) >= settled)
        if back and back != late.shards:
            split = Late(late.spot, back), Late(late.spot, late.shards - back)
            return _next_of_late(
                place._replace(late=(*place.late[:number], *split, *place.late[number + 1 :])), settled, own, length
            )
        limit = settled if back else min(own[shard] for shard in late.shards)
        if limit > late.spot.instant:
            return place, Part(number, late.spot, min(limit, late.spot.instant + length))
    return place, None


def _ranges(numbers: Iterable[int]) -> str:
    """`1-3,7` of 1, 2, 3 and 7."""
    found = []
    for _, run in groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        found.append(str(members[0]) if len(members) == 1 else f"{members[0]}-{members[-1]}")
    return ",".join(found)


def _numbers(text: str) -> frozenset[int]:
    pairs = [[int(end) for end in part.split("-")] for part in text.split(",")]
    if sum(pair[-1] - pair[0] + 1 for pair in pairs) > _MOST or any(pair[-1] < pair[0] for pair in pairs):
        raise BadRequest("Last-Event-ID: it names more shards than there can be")
    return frozenset(number for pair in pairs for number in range(pair[0], pair[-1] + 1))
