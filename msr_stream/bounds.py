"""Between what a replay may move. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from msr_stream import instants
from msr_stream.errors import BadRequest, Unavailable
from msr_stream.instants import DAY


@dataclass(frozen=True)
class Bounds:
    """Between what a replay may move, as one snapshot of the database says.

    Attributes:
        now: the worker's clock.
        earliest: the earliest replayable instant.
        longest: the longest window, microseconds.
        settled: S; `None` as long as nothing is settled.
        shards: whether anything is recorded at all.
    """

    now: int
    earliest: int
    longest: int
    settled: int | None
    shards: bool

    @property
    def latest_answer(self) -> int | None:
        """The latest instant that can be answered: S, but never the future; with nothing recorded, now."""
        if not self.shards:
            return self.now
        return None if self.settled is None else min(self.settled, self.now)

    def check(self, *moments: int) -> None:
        """Refuse what is outside.

        Raises:
            BadRequest: a moment is too early, or later than now.
        """
        for moment in moments:
            if moment < self.earliest:
                raise _out_of_range("earliest", moment, self.earliest)
            if moment > self.now:
                raise _out_of_range("latest", moment, self.now)

    def check_window(self, start: int, end: int) -> None:
        """Refuse a window that ends before it starts, or is too long.

        Raises:
            BadRequest: it is one of these, or outside the bounds.
        """
        if end < start:
            raise BadRequest("the window ends before it starts", code="INVALID_PLAYBACK_WINDOW")
        if end - start > self.longest:
            raise BadRequest(f"the window is longer than {self.longest // DAY} days", code="INVALID_PLAYBACK_WINDOW")
        self.check(start, end)


def not_settled(bounds: Bounds) -> Unavailable:
    """The answer to a moment that is not settled in time."""
    until = bounds.latest_answer
    details = [{"settled_until": instants.render(until) if until is not None else None}]
    return Unavailable("that moment is not settled yet", details=details, headers={"Retry-After": "1"})


def _out_of_range(which: str, moment: int, bound: int) -> BadRequest:
    relation = "before the earliest replayable instant" if which == "earliest" else "later than now"
    return BadRequest(
        f"{instants.render(moment)} is {relation} {instants.render(bound)}",
        code="TIMESTAMP_OUT_OF_RANGE",
        details=[{which: instants.render(bound)}],
    )
