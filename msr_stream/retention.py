"""What is too old to be kept, and when it is removed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cronsim import CronSim

from msr_stream import instants
from msr_stream.instants import DAY, FIRST, SECOND

#: Dead letters and ended sessions are kept for this long, and never shorter than the history: they are no part of an
#: answer, but what somebody looks for after a failure or an exercise. Microseconds.
KEPT = 90 * DAY


@dataclass(frozen=True)
class Limits:
    """What the settings say, and what was done before.

    Attributes:
        range_days: how far back a replay may reach.
        earliest_valid: nothing before this is replayed.
        settled: S; `None`: nothing is settled.
        retained_from: what retention has left so far; `None`: everything.
        tables: days that the history of a table is kept, where that is another time.
        tables_from: what that has left so far.
    """

    range_days: int
    earliest_valid: int
    settled: int | None
    retained_from: int | None = None
    tables: Mapping[str, int] = field(default_factory=dict)
    tables_from: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Cutoffs:
    """Before which instants history goes: of all tables, and of some of them later ones of their own."""

    history: int
    tables: Mapping[str, int]


@dataclass(frozen=True)
class Part:
    """A partition that goes: its parent, name, rows (as the planner estimates them) and bytes with indexes."""

    parent: str
    name: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class Plan:
    """What a run takes away now.

    Attributes:
        cutoffs: before which instants.
        parts: the partitions that go whole.
        table_rows: rows that go of tables with a time of their own.
        keyframes: how many shards get a keyframe at a cutoff first.
    """

    cutoffs: Cutoffs
    parts: Sequence[Part]
    table_rows: Mapping[str, int]
    keyframes: int

    @property
    def rows(self) -> int:
        """All rows that go."""
        return sum(part.rows for part in self.parts) + sum(self.table_rows.values())

    @property
    def bytes(self) -> int:
        """The bytes of the partitions that go."""
        return sum(part.bytes for part in self.parts)


def day_of(instant: int) -> int:
    """The beginning of an instant's day, UTC: where partitions begin."""
    return instant // DAY * DAY


def cutoffs(limits: Limits, now: int) -> Cutoffs | None:
    """Before which instants history goes; `None` while nothing is settled.

    The cutoff is the later of the range's and the earliest valid instant's, at the beginning of a day, and never after
    what is settled, since a keyframe must be possible there. It never moves back: what is gone is gone.
    """
    if limits.settled is None:
        return None
    latest = day_of(min(limits.settled, now))
    history = min(latest, day_of(max(now - limits.range_days * DAY, limits.earliest_valid)))
    history = max(history, limits.retained_from if limits.retained_from is not None else FIRST)
    own = {
        table: max(min(latest, day_of(now - days * DAY)), limits.tables_from.get(table, FIRST))
        for table, days in limits.tables.items()
    }
    return Cutoffs(history, {table: at for table, at in sorted(own.items()) if at > history})


def next_run(expression: str, after: int) -> int | None:
    """When a cron expression (UTC) is due next, strictly after an instant; `None`: never."""
    found = next(CronSim(expression, instants.as_datetime(after)), None)
    return int(found.timestamp()) * SECOND if found is not None else None
