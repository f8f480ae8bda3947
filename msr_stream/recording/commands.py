"""Commands over a whole table, seen from a shard that has to apply them (design, invariant 18). Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from msr_stream.recording.progress import Progress
from msr_stream.records.change import Change, Decoded
from msr_stream.records.change import Sequence as CaptureSequence


class Due(msgspec.Struct, frozen=True):
    """A command that a shard has still to apply.

    Attributes:
        command_id: its number.
        kind: `truncate` or `snapshot`.
        table_name: the table.
        carried: it came in this shard's own log: everything before it is recorded.
        source_timestamp: when it was committed; of a snapshot when the table was read.
        source_commit_lsn: first half of its sequence.
        source_lsn: its log sequence number.
        source_txid: its transaction.
        command_timestamp: the effective time of its deletes, where nothing is later already.
    """

    command_id: int
    kind: str
    table_name: str
    carried: bool
    source_timestamp: int
    source_commit_lsn: int | None
    source_lsn: int | None
    source_txid: int | None
    command_timestamp: int

    @property
    def sequence(self) -> CaptureSequence | None:
        """Its place in the capture's order, if that is known."""
        if self.source_commit_lsn is None or self.source_lsn is None:
            return None
        return self.source_commit_lsn, self.source_lsn


def is_past(command: Due, progress: Progress) -> bool:
    """Whether everything before the command is recorded in the shard already, as far as its records tell."""
    if command.carried or command.kind == "snapshot":  # which is stored once all shards are beyond it
        return True
    if command.sequence is None or progress.last_sequence is None or progress.newest_source_time is None:
        return False
    return progress.last_sequence > command.sequence and progress.newest_source_time >= command.source_timestamp


def is_later(change: Change, command: Due) -> bool:
    """Whether a change comes after the command: by the capture's order, else within a transaction, else by time."""
    if change.sequence is not None and command.sequence is not None:
        return change.sequence > command.sequence
    if change.lsn is not None and command.source_lsn is not None and change.txid == command.source_txid:
        return change.lsn > command.source_lsn
    return change.source_time > command.source_timestamp


def first_later(decoded: Sequence[Decoded], commands: Sequence[Due]) -> int | None:
    """Index of the first change of a run that comes after a command; what is no change says nothing."""
    for index, item in enumerate(decoded):
        if isinstance(item, Change) and not item.tombstone and any(is_later(item, command) for command in commands):
            return index
    return None
