"""What activity is counted from: of the history sums and events, of a clip its events alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msr_stream.instants import DAY, HOUR, MINUTE
from msr_stream.store import queries

#: What is summed up in the history, longest first, microseconds.
SPANS = (DAY, HOUR, MINUTE)


class Counting(NamedTuple):
    """How a world's activity is counted.

    Attributes:
        spans: what is summed up, longest first, microseconds; all else is counted from events.
        statements: by name, as in `sql/activity.sql`.
    """

    spans: Sequence[int]
    statements: Mapping[str, str]


HISTORY = Counting(SPANS, queries.load("activity"))
