"""What one transaction writes: a run's results. Pure; nothing here waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from msr_stream.instants import MINUTE
from msr_stream.recording.cache import Entity, Known
from msr_stream.recording.dedupe import Sifted
from msr_stream.recording.event import Event
from msr_stream.recording.fold import Folded
from msr_stream.recording.progress import Progress, record_hash
from msr_stream.records.change import Command, DeadLetter

#: (beginning of the minute, table, tenant, operation)
ActivityKey = tuple[int, str, str | None, str]


@dataclass
class Batch:
    """The results of a run, or of the part of it before a record that must wait.

    Attributes:
        before: the shard's progress it was derived from.
        after: the progress it brings, but for the version, which the database gives.
        events: in order.
        dead_letters: each with its record.
        commands: over whole tables, each with its time, lowered to now if it is far ahead.
        epoch_position: position of the first event of a new capture epoch, if one begins.
        markers: source to newest marker.
        copies: records left out.
        live_delta: how many entities live more than before.
        known: what is known of entities once it is committed.
        activity: events by minute, table, tenant and operation.
    """

    before: Progress
    after: Progress
    events: Sequence[Event] = ()
    dead_letters: Sequence[tuple[DeadLetter, Any]] = ()
    commands: Sequence[tuple[Command, int]] = ()
    epoch_position: int | None = None
    markers: dict[str, int] = field(default_factory=dict)
    copies: int = 0
    live_delta: int = 0
    known: dict[Entity, Known] = field(default_factory=dict)
    activity: Counter[ActivityKey] = field(default_factory=Counter)


def assemble(
    before: Progress,
    sifted: Sifted,
    folded: Folded,
    records: Sequence[Any],
    next_offset: int,
    settle_at: int | None,
    now: int,
) -> Batch:
    """Put together what one transaction writes.

    Args:
        before: the shard's progress.
        sifted: the run without copies.
        folded: its events.
        records: the records it was decoded from.
        next_offset: the first offset after it.
        settle_at: the instant up to which the shard is settled with it, if it is.
        now: the worker's clock.
    """
    by_offset = {record.offset: record for record in records} if sifted.dead_letters else {}
    events = folded.events
    return Batch(
        before=before,
        after=_advance(before, sifted, events, records, next_offset, settle_at),
        events=events,
        dead_letters=[(letter, by_offset[letter.offset]) for letter in sifted.dead_letters],
        commands=[(command, _not_far_ahead(command.source_time, now)) for command in sifted.commands],
        epoch_position=_epoch_position(before, sifted, events),
        markers=_newest(sifted),
        copies=sifted.copies + folded.copies,
        live_delta=folded.live_delta,
        known=folded.known,
        activity=count(events),
    )


def count(events: Sequence[Event]) -> Counter[ActivityKey]:
    """Events by minute, table, tenant and operation."""
    return Counter(
        (event.time - event.time % MINUTE, event.change.table_name, event.tenant, event.op) for event in events
    )


def _not_far_ahead(time: int, now: int) -> int:
    return time if time <= now + MINUTE else now


def _epoch_position(before: Progress, sifted: Sifted, events: Sequence[Event]) -> int | None:
    """Where a new capture epoch begins: with the event of its first change, or behind all if a command begins it."""
    if sifted.epoch is None:
        return None
    behind = events[-1].position + 1 if events else before.last_position + 1
    return next((event.position for event in events if event.change is sifted.epoch), behind)


def _newest(sifted: Sifted) -> dict[str, int]:
    newest: dict[str, int] = {}
    for marker in sifted.markers:
        newest[marker.source] = max(marker.instant, newest.get(marker.source, marker.instant))
    return newest


def _advance(
    before: Progress,
    sifted: Sifted,
    events: Sequence[Event],
    records: Sequence[Any],
    next_offset: int,
    settle_at: int | None,
) -> Progress:
    last = records[-1] if records else None
    settled = [instant for instant in (before.settled_until, settle_at) if instant is not None]
    return Progress(
        shard_id=before.shard_id,
        source=before.source,
        version=before.version + 1,
        flushed_offset=next_offset - 1,
        record_offset=last.offset if last else before.record_offset,
        record_timestamp=last.timestamp if last else before.record_timestamp,
        record_hash=record_hash(last) if last else before.record_hash,
        last_position=events[-1].position if events else before.last_position,
        last_effective=events[-1].time if events else before.last_effective,
        newest_source_time=sifted.newest_source_time,
        settled_until=max(settled, default=None),
        last_sequence=sifted.last_sequence,
        unsequenced_lsn=sifted.unsequenced_lsn,
        topic_id=before.topic_id,
    )
