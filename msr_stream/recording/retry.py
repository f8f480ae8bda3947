"""Dead letters tried again: decoded as the settings are now, and recorded unless something later was.

A letter is dealt with in one transaction that holds its shard's row, so that it is recorded once, whoever retries it
at the same time, and whatever the shard's owner is about to flush: the version it raises sends the owner back to read
the shard again. The offset up to which the shard is flushed does not move.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import asyncpg
import msgspec

from msr_stream import instants
from msr_stream.errors import NotFound, ShardMoved
from msr_stream.recording.batch import Batch, count
from msr_stream.recording.cache import EntityCache
from msr_stream.recording.completion import complete_states, missing_states
from msr_stream.recording.event import OldKey, OldState
from msr_stream.recording.fold import Folded, fold
from msr_stream.recording.progress import Progress, Shard
from msr_stream.recording.recorder import Recorder
from msr_stream.recording.survey import survey
from msr_stream.records.change import Change, Command, DeadLetter, Decoded
from msr_stream.store import refusals
from msr_stream.store.audit import Actor, note
from msr_stream.store.database import PASSING, Connection, Database
from msr_stream.store.dead_letters import DeadLetters, Held
from msr_stream.store.rows import encode
from msr_stream.store.sources import hold_lightly

T = TypeVar("T", int, tuple[int, int])


class Outcome(NamedTuple):
    """What has become of a letter: `kept`, `recorded` or `superseded`, and why."""

    id: int
    state: str
    reason: str


class Retry:
    """Retries dead letters, of shards that any worker may own."""

    def __init__(
        self, database: Database, recorder: Recorder, letters: DeadLetters, clock: Callable[[], int] = instants.now
    ) -> None:
        self._database, self._recorder, self._letters, self._clock = database, recorder, letters, clock
        self._history = recorder.history

    async def retry(self, ids: Sequence[int], actor: Actor) -> list[Outcome]:
        """Retry letters in the order in which they came; a letter that was dealt with before is left as it is.

        Raises:
            NotFound: there are no such letters; nothing was done.
            Unavailable: the database is away; some may have been dealt with.
        """
        found = await self._letters.in_order(ids)
        if unknown := sorted(set(ids) - set(found)):
            named = ", ".join(map(str, unknown))
            raise NotFound(f"there are no such dead letters: {named}", details=[{"id": one} for one in unknown])
        return [await self._retry_one(letter_id, actor) for letter_id in found]

    async def _retry_one(self, letter_id: int, actor: Actor) -> Outcome:
        while True:
            try:
                async with self._database.serving() as connection, connection.transaction():
                    await hold_lightly(connection, self._database)
                    held = await self._letters.hold(connection, letter_id)
                    if held.state != "kept":
                        return Outcome(letter_id, held.state, held.reason)
                    outcome = await self._decide(connection, letter_id, held)
                    await note(
                        connection, actor, "dead_letter.retry", str(letter_id),
                        before={"state": held.state}, after={"state": outcome.state, "reason": outcome.reason},
                    )  # fmt: skip
                    return outcome
            except ShardMoved:
                await self._history.revive(held.progress.shard_id)  # only a retired shard refuses while it is held

    async def _decide(self, connection: Connection, letter_id: int, held: Held) -> Outcome:
        change = await self._again(held)
        if isinstance(change, DeadLetter):
            await self._letters.keep(connection, letter_id, change)
            return Outcome(letter_id, "kept", change.reason)
        why: str | None = "it holds no change of an entity"
        if isinstance(change, Command):
            why = "a truncate is not recorded late: a snapshot of its table ends what is gone"
        if isinstance(change, Change):
            why = await self._letters.superseded_by(connection, held.progress.shard_id, change)
            if why is None:
                return await self._record(connection, letter_id, held, change)
        await self._letters.resolve(connection, letter_id, "superseded", why or "")
        return Outcome(letter_id, "superseded", why or "")

    async def _again(self, held: Held) -> Decoded:
        """What the record says now."""
        if held.stopped is not None:
            return DeadLetter(held.record.offset, "TOPIC_STOPPED", f"its topic is stopped: {held.stopped}")
        decoder = self._recorder.decoder(held.shard.topic, held.partitions)
        decoded = decoder.decode(held.record)
        if isinstance(decoded, Change):
            owner = await self._history.claim_table(
                decoded.table_name, decoder.source, decoder.topic, decoded.source_time
            )
            if owner != decoder.source:
                reason = f"table {decoded.table_name} is recorded from source {owner}"
                return DeadLetter(held.record.offset, "TABLE_OF_ANOTHER_SOURCE", reason, decoded.identity)
        return decoded

    async def _record(self, connection: Connection, letter_id: int, held: Held, change: Change) -> Outcome:
        """Record it behind everything that its shard has; what the database refuses stays a dead letter."""
        progress = held.progress
        folded = await self._fold(held.shard, progress, change)
        if not folded.events:
            why = "it says nothing that is not recorded already"
            await self._letters.resolve(connection, letter_id, "superseded", why)
            return Outcome(letter_id, "superseded", why)
        batch = late(progress, change, folded)
        try:
            await self._history.prepare(batch)
            async with connection.transaction():
                await self._history.write(connection, batch, [encode(batch.events, progress.shard_id)])
        except asyncpg.PostgresError as error:
            if isinstance(error, PASSING):
                raise
            letter = DeadLetter(held.record.offset, "REFUSED_BY_DATABASE", refusals.why(error), change.identity)
            await self._letters.keep(connection, letter_id, letter)
            return Outcome(letter_id, "kept", letter.reason)
        outcome = f"recorded at position {batch.after.last_position} of {held.shard}"
        await self._letters.resolve(connection, letter_id, "recorded", outcome)
        return Outcome(letter_id, "recorded", outcome)

    async def _fold(self, shard: Shard, progress: Progress, change: Change) -> Folded:
        """The change's events: as in a run, with nothing known but what is looked up."""
        surveyed = survey([change], EntityCache(2, complete=False))
        recalled = await self._history.recall(progress.shard_id, surveyed.needs)
        folded = fold([change], progress, surveyed, recalled, self._clock())
        if missing := missing_states(folded.events, recalled, surveyed):
            recalled |= await self._history.recall(progress.shard_id, dict.fromkeys(missing, True))
        old_states: dict[OldKey, OldState] = {}
        if change.old_entity is not None and change.incomplete:
            found = await self._history.old_entity(shard, change)
            old_states[change.table_name, change.old_entity, change.offset] = found or (None, [])
        complete_states(folded.events, recalled, old_states)
        return folded


def late(before: Progress, change: Change, folded: Folded) -> Batch:
    """What one transaction writes of a change whose place in the broker's log was flushed long ago. Pure.

    Its capture sequence and source time count as recorded, so that the same record, sent again, is a copy.
    """
    last = folded.events[-1]
    after = msgspec.structs.replace(
        before,
        version=before.version + 1,
        last_position=last.position,
        last_effective=last.time,
        last_sequence=_highest(before.last_sequence, change.sequence),
        newest_source_time=_highest(before.newest_source_time, change.source_time),
        unsequenced_lsn=_highest(before.unsequenced_lsn, change.lsn if change.sequence is None else None),
    )
    return Batch(
        before, after, events=folded.events, live_delta=folded.live_delta, known=folded.known,
        activity=count(folded.events),
    )  # fmt: skip


def _highest(*values: T | None) -> T | None:
    return max((value for value in values if value is not None), default=None)
