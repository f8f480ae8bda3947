"""How far a shard has been recorded; and a run, what was fetched of it next."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from msr_stream.records.change import Sequence as CaptureSequence


class Shard(NamedTuple):
    """One partition of one CDC topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]"


class Run(NamedTuple):
    """What was fetched of a shard at a time.

    It holds every record from `fetched_from` up to, not including, `next_offset`; offsets that no record
    has (compaction, transaction markers) are no gap.
    """

    fetched_from: int
    next_offset: int
    records: Sequence[Any]


class Progress(msgspec.Struct, frozen=True):
    """A shard's row as last read or written.

    Attributes:
        shard_id: its number.
        source: the source it belongs to.
        version: raised by every write.
        flushed_offset: everything up to this offset is in the database.
        record_offset: offset of the last record flushed; with its hash, what tells a topic made anew.
        record_timestamp: that record's broker timestamp, ms.
        record_hash: that record's key and value, hashed.
        last_position: position of the newest event.
        last_effective: its effective time, an instant.
        newest_source_time: newest source time recorded.
        settled_until: no event at or before this can come any more.
        last_sequence: the newest capture sequence.
        unsequenced_lsn: the highest lsn recorded of records whose sequence was not whole.
        topic_id: the broker's id of the topic that was recorded; `None`: it gives none, or not known yet.
    """

    shard_id: int
    source: str = ""
    version: int = 0
    flushed_offset: int = -1
    record_offset: int | None = None
    record_timestamp: int | None = None
    record_hash: bytes | None = None
    last_position: int = 0
    last_effective: int | None = None
    newest_source_time: int | None = None
    settled_until: int | None = None
    last_sequence: CaptureSequence | None = None
    unsequenced_lsn: int | None = None
    topic_id: str | None = None

    @property
    def next_offset(self) -> int:
        """The first offset not flushed yet."""
        return self.flushed_offset + 1

    def is_last_record(self, record: Any) -> bool:
        """Whether this is the record flushed last, not another one at its offset."""
        return (
            record.offset == self.record_offset
            and record.timestamp == self.record_timestamp
            and record_hash(record) == self.record_hash
        )


def record_hash(record: Any) -> bytes:
    """Sixteen bytes that tell one record from another."""
    digest = blake2b(digest_size=16)
    for part in (record.key, record.value):
        digest.update(b"-" if part is None else b"%d:" % len(part))
        digest.update(part or b"")
    return digest.digest()
