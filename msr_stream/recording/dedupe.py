"""What the capture sends twice is stored once (design, invariant 2). Pure.

A streamed record whose `source.sequence` is higher than the shard's last is new. Any other is a
*candidate*: a copy if and only if its identity was recorded in this shard before. Where history that old has been
removed nobody can tell any more; then a lower sequence and an earlier time than what came last make it a copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from msr_stream.records.change import Change, Command, DeadLetter, Decoded, Identity, Marker
from msr_stream.records.change import Sequence as CaptureSequence


class Predecessor(NamedTuple):
    """What a tombstone needs to know of the record before it.

    Attributes:
        copy: it was left out as a copy.
        deleted: the id of the entity it deleted: not its table, which a tombstone does not name.
        lsn: of a copy, its lsn.
    """

    copy: bool = False
    deleted: str | None = None
    lsn: int | None = None


#: After what is no delete and no copy.
_NO_PREDECESSOR = Predecessor()


class Sifted(NamedTuple):
    """A run without copies.

    Attributes:
        changes: what is new, in order; of tombstones those that may be a delete of their own.
        dead_letters: those that are new.
        commands: those that are new.
        markers: all of them.
        copies: how many records were left out.
        last_sequence: the shard's newest capture sequence after the run.
        newest_source_time: the newest source time recorded, after the run.
        unsequenced_lsn: the highest lsn recorded of records without a whole sequence, after the run.
        epoch: the first change or command of a source that runs through old numbers again, if one does.
        predecessor: for a tombstone that begins the next run.
    """

    changes: list[Change]
    dead_letters: list[DeadLetter]
    commands: list[Command]
    markers: list[Marker]
    copies: int
    last_sequence: CaptureSequence | None
    newest_source_time: int | None
    unsequenced_lsn: int | None
    epoch: Change | Command | None
    predecessor: Predecessor


def candidates(
    decoded: Sequence[Decoded], last: CaptureSequence | None, unsequenced: int | None = None
) -> set[Identity]:
    """The identities to look up: at least those of all records that may be copies.

    Args:
        decoded: the run's records.
        last: the shard's newest capture sequence.
        unsequenced: the highest lsn recorded without a whole sequence: what was sent so may come again with one.
    """
    found: set[Identity] = set()
    for item in decoded:
        if isinstance(item, Change | Command):
            if item.lsn is None:
                continue
            if item.sequence is None:
                unsequenced = max(item.lsn, item.lsn if unsequenced is None else unsequenced)
            elif (last is None or item.sequence > last) and (unsequenced is None or item.lsn > unsequenced):
                last = item.sequence
                continue
        if isinstance(item, Change | Command | DeadLetter) and item.identity is not None:
            found.add(item.identity)
    return found


def sift(
    decoded: Sequence[Decoded],
    asked: AbstractSet[Identity],
    recorded: AbstractSet[Identity],
    last: CaptureSequence | None,
    newest: int | None,
    predecessor: Predecessor,
    unsequenced: int | None = None,
    removed: Mapping[str, int] | None = None,
) -> Sifted:
    """Leave the copies out.

    Args:
        decoded: the run's records.
        asked: the candidates that were looked up.
        recorded: which of them are in the shard already.
        last: the shard's newest capture sequence.
        newest: the newest source time recorded in it.
        predecessor: of the run's first record.
        unsequenced: the highest lsn recorded of records without a whole sequence.
        removed: by table the instant before which its history has been removed.
    """
    sieve = _Sieve(asked, recorded, last, newest, predecessor)
    sieve.removed = removed or {}
    sieve.unsequenced = unsequenced
    for item in decoded:
        if isinstance(item, Change):
            sieve.change(item)
        elif isinstance(item, DeadLetter):
            sieve.dead_letter(item)
        elif isinstance(item, Command):
            sieve.command(item)
        elif item is not None:
            sieve.markers.append(item)
    return Sifted(
        sieve.changes, sieve.dead_letters, sieve.commands, sieve.markers, sieve.copies, sieve.last, sieve.newest,
        sieve.unsequenced, sieve.epoch, sieve.predecessor,
    )  # fmt: skip


class _Sieve:
    """One pass over a run."""

    def __init__(
        self,
        asked: AbstractSet[Identity],
        recorded: AbstractSet[Identity],
        last: CaptureSequence | None,
        newest: int | None,
        predecessor: Predecessor,
    ) -> None:
        self.changes: list[Change] = []
        self.dead_letters: list[DeadLetter] = []
        self.commands: list[Command] = []
        self.markers: list[Marker] = []
        self.copies = 0
        self.epoch: Change | Command | None = None
        self.last, self.newest, self.predecessor = last, newest, predecessor
        self.unsequenced: int | None = None
        self.removed: Mapping[str, int] = {}
        self._asked, self._recorded = asked, recorded
        self._seen: set[Identity] = set()

    def change(self, change: Change) -> None:
        """Keep a change, unless it is a copy."""
        if change.tombstone:
            self._tombstone(change)
        elif change.lsn is not None and not self._is_new(change):
            self.copies += 1
            self.predecessor = Predecessor(copy=True, lsn=change.lsn)
        else:
            self.changes.append(change)
            self.predecessor = Predecessor(deleted=change.entity_id) if change.op == "d" else _NO_PREDECESSOR

    def command(self, command: Command) -> None:
        """Keep a command, unless it is a copy."""
        if command.lsn is not None and not self._is_new(command):
            self.copies += 1
        else:
            self.commands.append(command)
        self.predecessor = _NO_PREDECESSOR

    def dead_letter(self, letter: DeadLetter) -> None:
        """Keep a dead letter, unless it is a copy."""
        copy = letter.identity is not None and (letter.identity in self._seen or letter.identity in self._recorded)
        self.predecessor = Predecessor(copy=copy)
        if copy:
            self.copies += 1
            return
        if letter.identity is not None:
            self._seen.add(letter.identity)
        self.dead_letters.append(letter)

    def _tombstone(self, change: Change) -> None:
        """After a delete it says nothing of its own; after a copy it may have been recorded before, too."""
        change.follows = self.predecessor.lsn
        if self.predecessor.deleted != change.entity_id:
            self.changes.append(change)
        self.predecessor = _NO_PREDECESSOR

    def _is_new(self, change: Change | Command) -> bool:
        sequence = change.sequence
        higher = sequence is not None and (self.last is None or sequence > self.last)
        identity = change.identity if self._asked or self._seen else None  # mostly nothing had to be asked
        if identity in self._seen or (identity in self._asked and identity in self._recorded):
            return False
        if not higher and self._is_from_removed(change):
            return False
        if higher:
            self.last = sequence
        elif sequence is not None and sequence != self.last and self._is_later(change):
            self.epoch, self.last = self.epoch or change, sequence
        if sequence is None and change.lsn is not None:
            self.unsequenced = max(change.lsn, change.lsn if self.unsequenced is None else self.unsequenced)
        if self._is_later(change):
            self.newest = change.source_time
        if identity is not None and identity in self._asked:
            self._seen.add(identity)
        return True

    def _is_from_removed(self, change: Change | Command) -> bool:
        """Whether it goes back behind what was recorded, to a time whose events are gone."""
        return (
            change.sequence is not None
            and self.last is not None
            and change.sequence < self.last
            and self.newest is not None
            and change.source_time < min(self.newest, self.removed.get(change.table_name, change.source_time))
        )

    def _is_later(self, change: Change | Command) -> bool:
        return self.newest is None or change.source_time > self.newest
