"""From decoded records to a batch: what must be looked up is looked up, the rest is pure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from msr_stream import logs
from msr_stream.recording.batch import Batch, assemble
from msr_stream.recording.cache import EntityCache
from msr_stream.recording.completion import complete_states, missing_states
from msr_stream.recording.dedupe import Predecessor, Sifted, candidates, sift
from msr_stream.recording.event import OldKey, OldState
from msr_stream.recording.fold import fold
from msr_stream.recording.progress import Progress, Shard
from msr_stream.recording.survey import survey
from msr_stream.records.change import Change, Command, Decoded, Identity
from msr_stream.records.decode import Decoder
from msr_stream.store.database import Database
from msr_stream.store.history import History
from msr_stream.store.rows import encode

log = logs.get(__name__)

#: Records handled before other tasks get a turn: a few milliseconds.
A_TURN = 200
#: How long a change waits for the entity under its old key, seconds.
OLD_KEY_PATIENCE = 30.0


class Deriver:
    """Derives batches for one shard, and remembers what spares look-ups.

    Attributes:
        settle_target: once flushed up to this offset, the shard is settled up to this instant.
    """

    def __init__(
        self,
        shard: Shard,
        database: Database,
        history: History,
        decoder: Decoder,
        cache_limit: int,
        on_tables: Callable[[Sequence[Change | Command], Decoder], Awaitable[None]],
        clock: Callable[[], int],
    ) -> None:
        self.settle_target: tuple[int, int] | None = None
        self._shard, self._database, self._history = shard, database, history
        self._decoder, self._cache_limit = decoder, cache_limit
        self._on_tables, self._clock = on_tables, clock
        self._cache = EntityCache(cache_limit, complete=False)
        self._predecessor = self._before = Predecessor()

    def begin(self, *, empty: bool) -> None:
        """Forget everything: the shard was opened, `empty` if nothing was ever recorded in it."""
        self._cache = EntityCache(self._cache_limit, complete=empty)
        self._predecessor = Predecessor()
        self.settle_target = None

    def forget_entities(self) -> None:
        """Entities were ended behind its back."""
        self._cache = EntityCache(self._cache_limit, complete=False)

    def step_back(self) -> None:
        """The batch derived last was refused: what was learned from it does not hold."""
        self._cache = EntityCache(self._cache_limit, complete=False)
        self._predecessor = self._before

    def follow(self, last: Any) -> None:
        """Note the record that the first one to come follows."""
        decoded = self._decoder.decode(last)
        if isinstance(decoded, Change) and decoded.op == "d":
            self._predecessor = Predecessor(deleted=decoded.entity_id)

    async def decode(self, records: Sequence[Any]) -> list[Decoded]:
        """What the records say, one by one."""
        decode, decoded = self._decoder.decode, []
        for start in range(0, len(records), A_TURN):
            decoded += [decode(record) for record in records[start : start + A_TURN]]
            await asyncio.sleep(0)
        return decoded

    async def derive(
        self,
        progress: Progress,
        decoded: Sequence[Decoded],
        records: Sequence[Any],
        next_offset: int,
        old_states: Mapping[OldKey, OldState],
    ) -> tuple[Batch, list[bytes]]:
        """What one transaction writes, and its events as rows.

        Args:
            progress: the shard's, certain.
            decoded: the records, decoded.
            records: the records.
            next_offset: the first offset after them.
            old_states: last states under old keys that were waited for.
        """
        shard_id = progress.shard_id
        asked = candidates(decoded, progress.last_sequence, progress.unsequenced_lsn)
        nothing: tuple[set[Identity], dict[str, int]] = set(), {}
        recorded, removed = await self._look_up(lambda: self._history.recorded(shard_id, asked)) if asked else nothing
        sifted = sift(
            decoded, asked, recorded, progress.last_sequence, progress.newest_source_time, self._predecessor,
            progress.unsequenced_lsn, removed,
        )  # fmt: skip
        self._predecessor, self._before = sifted.predecessor, self._predecessor
        self._say_epoch(sifted)
        if sifted.changes or sifted.commands:
            await self._on_tables([*sifted.changes, *sifted.commands], self._decoder)
        surveyed = survey(sifted.changes, self._cache)
        await asyncio.sleep(0)
        recalled = await self._look_up(lambda: self._history.recall(shard_id, surveyed.needs)) if surveyed.needs else {}
        now = self._clock()
        folded = fold(sifted.changes, progress, surveyed, recalled, now)
        await asyncio.sleep(0)
        if missing := missing_states(folded.events, recalled, surveyed):
            recalled |= await self._look_up(lambda: self._history.recall(shard_id, dict.fromkeys(missing, True)))
        complete_states(folded.events, recalled, old_states)
        for entity, known in folded.known.items():
            self._cache.put(entity, known)
        settle_at = None if sifted.commands else self._settle_at(next_offset)
        batch = assemble(progress, sifted, folded, records, next_offset, settle_at, now)
        return batch, await _rows(batch)

    async def old_state(self, change: Change) -> OldState:
        """The last state under the old key, once the shard that has it has recorded the delete."""
        deadline = asyncio.get_running_loop().time() + OLD_KEY_PATIENCE
        pause = 0.01  # the shard that has the delete mostly records it at the same time
        while True:
            late = asyncio.get_running_loop().time() > deadline
            passed = late or await self._look_up(lambda: self._history.others_passed(self._shard, change))
            found: OldState | None = await self._look_up(lambda: self._history.old_entity(self._shard, change))
            if found is not None:
                return found
            if passed:
                log.warning(
                    "no delete under the old key: unchanged values are recorded as unavailable",
                    shard=str(self._shard), offset=change.offset, old=change.old_entity,
                )  # fmt: skip
                return None, []
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.1)

    async def _look_up(self, work: Callable[[], Any]) -> Any:
        return await self._database.retry("look-up", work)

    def _settle_at(self, next_offset: int) -> int | None:
        """The instant that the shard is settled up to with a batch that ends here, if the target is reached."""
        if self.settle_target is None or next_offset < self.settle_target[0]:
            return None
        instant, self.settle_target = self.settle_target[1], None
        return instant

    def _say_epoch(self, sifted: Sifted) -> None:
        if sifted.epoch is not None:
            log.warning(
                "a new capture epoch begins: the source runs through old numbers again, as after a restore",
                shard=str(self._shard), offset=sifted.epoch.offset, sequence=sifted.epoch.sequence,
            )  # fmt: skip


async def _rows(batch: Batch) -> list[bytes]:
    """The events as rows, before the transaction opens."""
    chunks = []
    for start in range(0, len(batch.events), A_TURN):
        chunks.append(encode(batch.events[start : start + A_TURN], batch.after.shard_id))
        await asyncio.sleep(0)
    return chunks
