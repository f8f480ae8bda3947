"""What the capture sends twice is stored once (design, invariant 2). Pure.

A streamed record whose `source.sequence` is higher than the shard's last is new. Any other is a
*candidate*: a copy if and only if its identity was recorded in this shard before.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import NamedTuple

from msr_stream.records.change import Change, DeadLetter, Decoded, Identity, Marker
from msr_stream.records.change import Sequence as CaptureSequence


class Predecessor(NamedTuple):
    """What a tombstone needs to know of the record before it."""

    copy: bool = False
    deleted: tuple[str, str] | None = None


class Sifted(NamedTuple):
    """A run without copies.

    Attributes:
        changes: what is new, in order; of tombstones those that may be a delete of their own.
        dead_letters: those that are new.
        markers: all of them.
        copies: how many records were left out.
        last_sequence: the shard's newest capture sequence after the run.
        newest_source_time: the newest source time recorded, after the run.
        epoch: the first change of a source that runs through old numbers again, if one does.
        predecessor: for a tombstone that begins the next run.
    """

    changes: list[Change]
    dead_letters: list[DeadLetter]
    markers: list[Marker]
    copies: int
    last_sequence: CaptureSequence | None
    newest_source_time: int | None
    epoch: Change | None
    predecessor: Predecessor


def candidates(decoded: Sequence[Decoded], last: CaptureSequence | None) -> set[Identity]:
    """The identities to look up: at least those of all records that may be copies."""
    found: set[Identity] = set()
    for item in decoded:
        if item.__class__ is Change:
            if item.lsn is None:  # type: ignore[union-attr]
                continue
            sequence = item.sequence  # type: ignore[union-attr]
            if sequence is not None and (last is None or sequence > last):
                last = sequence
                continue
            found.add(item.identity)  # type: ignore[union-attr, arg-type]
        elif isinstance(item, DeadLetter) and item.identity is not None:
            found.add(item.identity)
    return found


def sift(
    decoded: Sequence[Decoded],
    recorded: Container[Identity],
    last: CaptureSequence | None,
    newest: int | None,
    predecessor: Predecessor,
) -> Sifted:
    """Leave the copies out.

    Args:
        decoded: the run's records.
        recorded: which of the candidates are in the shard already.
        last: the shard's newest capture sequence.
        newest: the newest source time recorded in it.
        predecessor: of the run's first record.
    """
    changes: list[Change] = []
    dead_letters: list[DeadLetter] = []
    markers: list[Marker] = []
    seen: set[Identity] = set()
    looking_back = bool(candidates(decoded, last))
    copies, epoch = 0, None
    for item in decoded:
        if isinstance(item, Change):
            if item.tombstone:
                if not predecessor.copy and predecessor.deleted != (item.table_name, item.entity_id):
                    changes.append(item)
                predecessor = Predecessor()
                continue
            sequence, identity = item.sequence, item.identity if looking_back else None
            if item.lsn is not None:
                if sequence is not None and (last is None or sequence > last):
                    last = sequence
                elif identity in seen or identity in recorded:
                    copies += 1
                    predecessor = Predecessor(copy=True)
                    continue
                elif sequence is not None and sequence != last and newest is not None and item.source_time > newest:
                    epoch, last = epoch or item, sequence
                if newest is None or item.source_time > newest:
                    newest = item.source_time
                if identity is not None:
                    seen.add(identity)
            changes.append(item)
            deleted = (item.table_name, item.entity_id) if item.op == "d" else None
            predecessor = Predecessor(deleted=deleted)
        elif isinstance(item, DeadLetter):
            copy = item.identity is not None and (item.identity in seen or item.identity in recorded)
            predecessor = Predecessor(copy=copy)
            if copy:
                copies += 1
                continue
            if item.identity is not None:
                seen.add(item.identity)
            dead_letters.append(item)
        elif item is not None:
            markers.append(item)
    return Sifted(changes, dead_letters, markers, copies, last, newest, epoch, predecessor)
