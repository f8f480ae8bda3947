"""How much happened when, and which tables there are, as one snapshot shows it.

The recorder counts minutes; the database sums them up by hour and day as it goes. A window is counted from the largest
of these that lie wholly in it, and from the events themselves where it begins or ends within a minute: it is exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from msr_stream import instants
from msr_stream.instants import DAY, FIRST, HOUR, MINUTE, SECOND
from msr_stream.records.keys import key_columns
from msr_stream.records.state import fields_of
from msr_stream.store.counting import SPANS
from msr_stream.store.literals import instant, literal
from msr_stream.store.snapshot import Snapshot

#: Lengths of a bucket that is shorter than an hour: whole parts of one, so that no bucket crosses it.
_PARTS = tuple(n * MINUTE for n in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30))
#: A longer window is counted by the hour at least: its minutes are too many.
_BY_MINUTE = 2 * DAY
#: A column is wide whose value takes more bytes than this in the newest row.
WIDE = 200


class Piece(NamedTuple):
    """A part of a window that is counted from one kind of row: `begin <= t < end`.

    Attributes:
        span: how long the rows' buckets are, microseconds; 0: events.
        begin: its first instant.
        end: the first one after it.
    """

    span: int
    begin: int
    end: int


def pieces(begin: int, end: int, spans: Sequence[int] = SPANS) -> list[Piece]:
    """From what `begin <= t < end` is counted: whole buckets, the longest first, and smaller ones at both edges."""
    if begin >= end:
        return []
    if not spans:
        return [Piece(0, begin, end)]
    span, *finer = spans
    first, last = -(-begin // span) * span, end // span * span
    if first >= last:
        return pieces(begin, end, finer)
    return [*pieces(begin, first, finer), Piece(span, first, last), *pieces(last, end, finer)]


def bucket_length(start: int, end: int, buckets: int) -> int:
    """How long a bucket is, so that there are at most so many: a part of an hour, whole hours, or whole days.

    A window of more than two days has buckets of an hour or more, however many are asked for.
    """
    choices = _PARTS if end - start <= _BY_MINUTE else ()
    for length in choices:
        if _number(start, end, length, MINUTE) <= buckets:
            return length
    for hours in range(1, 24):
        if _number(start, end, hours * HOUR, HOUR) <= buckets:
            return hours * HOUR
    days = 1
    while _number(start, end, days * DAY, DAY) > buckets:
        days += 1
    return days * DAY


def _number(start: int, end: int, length: int, unit: int) -> int:
    """How many buckets there are: the first begins at a whole minute, hour or day, the last one holds the end."""
    return (end - start // unit * unit) // length + 1


async def activity(snapshot: Snapshot, start: int, end: int, buckets: int) -> dict[str, Any]:
    """Changes by table and operation after one instant and up to another: all of them and no others.

    Args:
        snapshot: in which the end is settled.
        start: the first bucket begins at the whole minute, hour or day before it, and counts only what came after it.
        end: the last bucket counts up to it.
        buckets: how many at most.
    """
    length = bucket_length(start, end, buckets)
    units = [span for span in SPANS if length % span == 0]
    begin = start // units[0] * units[0]
    counted = pieces(start + 1, end + 1, [span for span in units if span in snapshot.counting.spans])
    found = []
    if counted:
        counts = _counts(counted, snapshot)
        found = await snapshot.counted("by_bucket", seconds=length // SECOND, begin=instant(begin), counts=counts)
    return {
        "bucket_seconds": length // SECOND,
        "buckets": [bucket for row in found for bucket in _changes(row)],
    }


def _changes(row: Any) -> Iterator[dict[str, Any]]:
    """What is counted in one bucket; its beginning is rendered once, which takes longer than all the rest."""
    begin = instants.render(row["begin"])
    for table_name, op, changes in zip(row["table_names"], row["ops"], row["changes"], strict=True):
        yield {"begin": begin, "table_name": table_name, "op": op, "changes": changes}


async def tables(snapshot: Snapshot, at: int) -> list[dict[str, Any]]:
    """The tables of which something is seen up to an instant: their columns are those of the newest row."""
    counts = _counts(pieces(FIRST // DAY * DAY, at + 1, snapshot.counting.spans), snapshot)
    found = await snapshot.counted("tables", counts=counts, at=instant(at), tenant=literal(snapshot.tenant))
    return [_table(row) for row in found]


def _table(row: Mapping[str, Any]) -> dict[str, Any]:
    fields = fields_of(row["entity_state"].encode()) if row["entity_state"] else {}
    located = row["location_columns"]
    return {
        "table_name": row["table_name"],
        "source": row["source"],
        "columns": list(fields),
        "wide": [name for name, value in fields.items() if len(bytes(value)) > WIDE],
        "key": key_columns(row["entity_id"], fields) if fields else [],
        "location": {"kind": row["location_kind"], "columns": located} if located else None,
        "changes": row["changes"],
        "first_minute": _rendered(row["first_minute"]),
        "first_change_at": _rendered(row["first_change_at"]),
        "last_change_at": _rendered(row["last_change_at"]),
        "last_row_at": _rendered(row["last_row_at"]),
    }


def _counts(counted: Sequence[Piece], snapshot: Snapshot) -> str:
    return " UNION ALL ".join(
        snapshot.counting.statements[{0: "events", MINUTE: "minutes"}.get(piece.span, "totals")].format(
            span=piece.span // SECOND,
            begin=instant(piece.begin),
            end=instant(piece.end),
            tenant=literal(snapshot.tenant),
        )
        for piece in counted
    )


def _rendered(moment: int | None) -> str | None:
    return None if moment is None else instants.render(moment)
