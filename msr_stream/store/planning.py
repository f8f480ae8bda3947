"""How an answer is read: which shards, from which keyframe on, in which statements.

Everything stands in the statements as literals: only so does the planner see which partitions it can leave out (design,
section 5), and no round trip is spent on preparing what runs once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from msr_stream.instants import FIRST, MINUTE
from msr_stream.replay import Filter
from msr_stream.store import filters, queries
from msr_stream.store.database import Connection
from msr_stream.store.literals import instant, literal

_sql = queries.load("replay")

_ALL = Filter()
#: Shards with fewer rows to read than this share a statement: planning one costs as much as reading some hundreds.
SMALL = 2_000
#: So many of them, at most.
_TOGETHER = 32
#: The first slice of a window that is read at a time, and the bytes that one should bring.
FIRST_SLICE = 2 * MINUTE
_LITTLE, _MUCH = 8 << 20, 32 << 20


class Part(NamedTuple):
    """What is read of a shard for a state: its newest keyframe and the events after it.

    Attributes:
        shard_id: the shard.
        keyframe_id: the keyframe; 0: none, all events are read.
        position: events up to this one are in it.
        after: the instant it is valid from: all later events are later.
        rows: how many rows there are to read, at most.
    """

    shard_id: int
    keyframe_id: int
    position: int
    after: int
    rows: int


async def parts(connection: Connection, at: int, tables: Sequence[str] = ()) -> list[Part]:
    """What a state is read from, by shard; those that have nothing up to that instant may be left out.

    Args:
        connection: reads.
        at: the instant.
        tables: shards without any of these are left out; empty: none.
    """
    found = await connection.fetch(_sql["plan"], at, list(tables) or None)
    return [
        Part(row["shard_id"], row["keyframe_id"] or 0, row["position"],
             FIRST if row["keyframe_timestamp"] is None else row["keyframe_timestamp"], row["to_read"])
        for row in found
    ]  # fmt: skip


def state_statements(found: Sequence[Part], at: int, tenant: str, chosen: Filter = _ALL) -> Iterator[str]:
    """The statements that give a state: those that small shards share, and a big shard's own."""
    small = [part for part in found if part.rows < SMALL]
    for start in range(0, len(small), _TOGETHER):
        yield _state("small_states", small[start : start + _TOGETHER], at, tenant, chosen)
    for part in found:
        if part.rows >= SMALL:
            yield _state("state", [part], at, tenant, chosen)


def _state(name: str, group: Sequence[Part], at: int, tenant: str, chosen: Filter) -> str:
    keyframes = [part for part in group if part.keyframe_id]
    times = _any("keyframe_timestamp", (instant(part.after) for part in keyframes))
    return _sql[name].format(
        row=_sql["row"],
        where=filters.kept(chosen),
        tenant=literal(tenant),
        keyframes=filters.among(f"{_any('keyframe_id', (part.keyframe_id for part in keyframes))} AND {times}", chosen),
        events=filters.among(_either(_events_after(part, at) for part in group), chosen),
    )


def events_statement(shards: Sequence[int], start: int, end: int, tenant: str, chosen: Filter = _ALL) -> str:
    """The statement that gives the events of some shards after one instant and up to another."""
    return _sql["events"].format(
        row=_sql["row"],
        where=filters.kept(chosen),
        tenant=literal(tenant),
        shards=filters.among(_any("shard_id", shards), chosen),
        start=instant(start),
        end=instant(end),
    )


async def shards_since(connection: Connection, start: int, tables: Sequence[str] = ()) -> list[int]:
    """Shards that have events after an instant, and may have some of these tables; empty: of any."""
    return [row["shard_id"] for row in await connection.fetch(_sql["shards_since"], start, list(tables) or None)]


class Slice(NamedTuple):
    """A part of a window: what happened after one instant and up to another."""

    start: int
    end: int


class Slices:
    """Cuts a window into slices that each bring so much that what is sorted at a time fits into memory.

    Attributes:
        large: a slice has brought so much that it is worth while to read the next one beside it.
    """

    def __init__(self, start: int, end: int) -> None:
        self.large = False
        self._start, self._end, self._length = start, end, FIRST_SLICE

    @property
    def left(self) -> bool:
        """Whether there are more."""
        return self._start < self._end

    def take(self) -> Slice | None:
        """The next slice; `None`: there is none."""
        if not self.left:
            return None
        found = Slice(self._start, min(self._start + self._length, self._end))
        self._start = found.end
        return found

    def brought(self, found: Slice, size: int) -> None:
        """A slice was read, and brought so many bytes: the next ones are longer or shorter."""
        self.large = self.large or size > _LITTLE
        length = next_length(found.end - found.start, size)
        if size < _LITTLE:
            self._length = max(self._length, length)
        elif size > _MUCH:
            self._length = min(self._length, length)


def next_length(length: int, size: int) -> int:
    """How long the next slice is after one of a length, microseconds, that brought so many bytes."""
    if size < _LITTLE:
        return length * 4
    return max(1, length // 2) if size > _MUCH else length


def _events_after(part: Part, at: int) -> str:
    return (
        f"shard_id = {literal(part.shard_id)} AND position > {literal(part.position)}"
        f" AND event_timestamp > {instant(part.after)} AND event_timestamp <= {instant(at)}"
    )


def _any(column: str, values: Iterable[int | str]) -> str:
    found = [str(value) for value in values]
    if not found:
        return "false"
    return f"{column} = {found[0]}" if len(found) == 1 else f"{column} IN ({', '.join(found)})"


def _either(conditions: Iterable[str]) -> str:
    found = list(conditions)
    return found[0] if len(found) == 1 else " OR ".join(f"({one})" for one in found)
