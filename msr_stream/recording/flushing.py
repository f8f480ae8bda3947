"""Writes a shard's batches; a run that the database refuses is halved until the record is found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import asyncpg

from msr_stream import logs, metrics
from msr_stream.errors import MsrError
from msr_stream.recording.batch import Batch
from msr_stream.recording.deriving import Deriver
from msr_stream.recording.event import OldKey, OldState
from msr_stream.recording.progress import Progress, Shard
from msr_stream.records.change import Change, DeadLetter, Decoded
from msr_stream.store.database import PASSING, Database
from msr_stream.store.history import History
from msr_stream.store.refusals import why

log = logs.get(__name__)


@dataclass(frozen=True)
class Flusher:
    """Writes the batches of one shard.

    Attributes:
        on_letters: called with the shard's number once dead letters are committed.
    """

    shard: Shard
    database: Database
    history: History
    deriver: Deriver
    on_letters: Callable[[int], Awaitable[None]]

    async def flush(
        self,
        batch: Batch,
        rows: Sequence[bytes],
        decoded: Sequence[Decoded],
        records: Sequence[Any],
        old_states: Mapping[OldKey, OldState],
    ) -> Progress:
        """Write a batch; a record that the database refuses becomes a dead letter, the others are recorded.

        Raises:
            ShardMoved: another worker has written the shard.
            MsrError: the database refuses what no record is to blame for.
        """
        begun = perf_counter()
        try:
            after = await self.database.retry("flush", lambda: self.history.flush(batch, rows))
        except asyncpg.PostgresError as error:
            hopeless = len(records) <= 1 and not (decoded and isinstance(decoded[0], Change))
            if isinstance(error, PASSING) or hopeless:
                raise MsrError(f"the database refuses a run of {self.shard}: {why(error)}") from None
            return await self._flush_parts(error, batch, decoded, records, old_states)
        metrics.flushed(self.shard, batch, perf_counter() - begun)
        if batch.dead_letters:
            await self.on_letters(after.shard_id)
        return after

    async def _flush_parts(
        self,
        error: asyncpg.PostgresError,
        refused: Batch,
        decoded: Sequence[Decoded],
        records: Sequence[Any],
        old_states: Mapping[OldKey, OldState],
    ) -> Progress:
        progress, end = refused.before, refused.after.next_offset
        self.deriver.step_back()
        for part, part_records, part_end in _halves(error, decoded, records, end):
            batch, rows = await self.deriver.derive(progress, part, part_records, part_end, old_states)
            progress = await self.flush(batch, rows, part, part_records, old_states)
        return progress


def _halves(
    error: asyncpg.PostgresError, decoded: Sequence[Decoded], records: Sequence[Any], end: int
) -> list[tuple[Sequence[Decoded], Sequence[Any], int]]:
    """A refused run in halves; a single refused record as a dead letter."""
    if len(records) == 1:
        log.warning("refused by the database", offset=records[0].offset, error=why(error))
        identity = decoded[0].identity if isinstance(decoded[0], Change) else None
        return [([DeadLetter(records[0].offset, "REFUSED_BY_DATABASE", why(error), identity)], records, end)]
    middle = len(records) // 2
    return [
        (decoded[:middle], records[:middle], records[middle].offset),
        (decoded[middle:], records[middle:], end),
    ]
