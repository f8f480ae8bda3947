"""Between what a replay of a clip may move. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from msr_stream import instants
from msr_stream.bounds import Bounds
from msr_stream.errors import BadRequest


@dataclass(frozen=True)
class ClipBounds(Bounds):
    """A clip's start and end: all between them is settled, whatever the clock says."""

    @classmethod
    def between(cls, start: int, end: int) -> ClipBounds:
        """The bounds of a clip."""
        return cls(now=end, earliest=start, longest=end - start, settled=end, shards=True)

    def check(self, *moments: int) -> None:
        """Refuse what is outside.

        Raises:
            BadRequest: a moment is before the clip's start, or after its end.
        """
        for moment in moments:
            if not self.earliest <= moment <= self.now:
                which, bound = ("earliest", self.earliest) if moment < self.earliest else ("latest", self.now)
                raise BadRequest(
                    f"{instants.render(moment)} is outside the clip, whose {which} instant is {instants.render(bound)}",
                    code="TIMESTAMP_OUT_OF_RANGE",
                    details=[{which: instants.render(bound)}],
                )

    def check_window(self, start: int, end: int) -> None:
        """Refuse a window that ends before it starts, or is outside.

        Raises:
            BadRequest: it is one of these.
        """
        if end < start:
            raise BadRequest("the window ends before it starts", code="INVALID_PLAYBACK_WINDOW")
        self.check(start, end)
