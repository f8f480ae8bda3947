"""In which intervals a table was recorded completely, and why each ended. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msr_stream.instants import FIRST, LAST

NOT_YET = "not captured yet"
RETIRED = "retired"


class Interval(NamedTuple):
    """From one instant to another; with `LAST` or later it goes on, and has no reason."""

    begin: int
    end: int
    reason: str | None = None


class Covered(NamedTuple):
    """A table's intervals, in order, and the gaps between and around them."""

    intervals: list[Interval]
    gaps: list[Interval]


def covered(since: int | None, shards: Iterable[Sequence[Interval]]) -> list[Interval]:
    """A table's intervals: those in which each of its shards was recorded, from its first record on.

    Args:
        since: source time of its first record; `None`: there is none.
        shards: each shard's intervals.
    """
    if since is None:
        return []
    found = [Interval(since, LAST)]
    for intervals in shards:
        found = [both for one in found for other in sorted(intervals) if (both := _both(one, other)) is not None]
    return found


def within(intervals: Sequence[Interval], start: int, end: int) -> Covered:
    """What lies in a window: intervals as they are, gaps as far as they reach into it; what has ended leaves none."""
    gaps: list[Interval] = []
    reached, reason = FIRST, NOT_YET
    for interval in intervals:
        gaps.append(Interval(reached, interval.begin, reason))
        reached, reason = interval.end, interval.reason or ""
    gaps.append(Interval(reached, LAST, reason))
    cut = [Interval(max(gap.begin, start), min(gap.end, end), gap.reason) for gap in gaps if gap.reason != RETIRED]
    return Covered(
        [one for one in intervals if one.begin <= end and one.end >= start], [gap for gap in cut if gap.begin < gap.end]
    )


def _both(one: Interval, other: Interval) -> Interval | None:
    """Where two intervals are, for the reason of the one that ends first."""
    begin = max(one.begin, other.begin)
    first = min(one, other, key=lambda interval: interval.end)
    return Interval(begin, first.end, first.reason) if begin <= first.end and begin < LAST else None
