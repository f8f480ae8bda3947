"""What the recorder reads from the history and writes to it: one transaction per run (design, invariant 1)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msr_stream import faults
from msr_stream.errors import ShardMoved
from msr_stream.instants import DAY
from msr_stream.recording.batch import Batch
from msr_stream.recording.cache import Entity
from msr_stream.recording.event import OldState, Recalled
from msr_stream.recording.progress import Progress, Shard
from msr_stream.records.change import Change, Identity
from msr_stream.store import commands, queries, rows
from msr_stream.store.database import Connection, Database
from msr_stream.store.letters import Letter, headers_from, letter_columns

_sql = queries.load("recording")
_PROGRESS = [name for name in Progress.__struct_fields__ if name != "last_sequence"]


class History:
    """The recorder's side of the history database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._days: set[int] = set()  # days whose partition is known to exist

    async def register(self, topic: str, source: str, partitions: int) -> list[int]:
        """Make sure that all partitions of a topic are known shards; returns the new ones."""
        async with self._database.recording() as connection, connection.transaction():
            await connection.execute(_sql["hold_settled"])
            found = await connection.fetch(_sql["register_shards"], topic, source, partitions)
            await connection.execute(_sql["begin_coverage"], topic)
        return [row["partition"] for row in found]

    async def topics(self) -> dict[str, tuple[int, str | None]]:
        """Every known topic: the number of its partitions, and why it is stopped, if it is."""
        async with self._database.recording() as connection:
            found = await connection.fetch(_sql["topic_shards"])
        return {row["topic"]: (row["partitions"], row["stopped"]) for row in found}

    async def stop_topic(self, topic: str, reason: str | None) -> None:
        """Record no further records of a topic, for a reason; `None` lets it go on."""
        async with self._database.recording() as connection:
            await connection.execute(_sql["stop_topic"], topic, reason)

    async def progress(self, shard: Shard) -> tuple[Progress, str | None]:
        """A shard's progress, and why it is stopped, if it is.

        Raises:
            ShardMoved: the shard is not registered yet.
        """
        async with self._database.recording() as connection:
            row = await connection.fetchrow(_sql["read_progress"], *shard)
        if row is None:
            raise ShardMoved(f"{shard} is not registered yet")
        return progress_of(row), row["stopped"]

    async def recall(self, shard_id: int, needs: Mapping[Entity, bool]) -> dict[Entity, Recalled]:
        """The last event of each entity, with its state where that is wanted."""
        if not needs:
            return {}
        tables, entities = zip(*needs, strict=True)
        async with self._database.recording() as connection:
            found = await connection.fetch(_sql["recall"], shard_id, tables, entities, list(needs.values()))
        return {
            (row["table_name"], row["entity_id"]): Recalled(
                row["op"],
                row["tenant_id"],
                row["entity_state"].encode() if row["entity_state"] is not None else None,
                row["unavailable_fields"] or [],
                row["source_time"],
                row["source_lsn"],
            )
            for row in found
        }

    async def recorded(self, shard_id: int, identities: Iterable[Identity]) -> tuple[set[Identity], dict[str, int]]:
        """Which of these are in the shard already, in any form; and by table before when history has been removed."""
        asked = list(identities)
        lsns, txids, tables, entities = zip(*asked, strict=True)
        async with self._database.recording() as connection:
            found = await connection.fetch(
                _sql["recorded_identities"], shard_id, list(range(len(asked))), lsns, txids, tables, entities
            )
            removed = await connection.fetch(_sql["removed_history"], list(set(tables)))
        return {asked[row["i"]] for row in found}, {row["table_name"]: row["retained_from"] for row in removed}

    async def old_entity(self, shard: Shard, change: Change) -> OldState | None:
        """Last state of the entity under its old key, once its delete is recorded."""
        async with self._database.recording() as connection:
            row = await connection.fetchrow(
                _sql["old_entity"],
                shard.topic, change.table_name, change.old_entity, change.lsn, change.commit_lsn,
            )  # fmt: skip
        if row is None:
            return None
        return row["entity_state"].encode() if row["entity_state"] else None, row["unavailable_fields"] or []

    async def others_passed(self, shard: Shard, change: Change) -> bool:
        """Whether every other shard of the topic has recorded something later than this change."""
        async with self._database.recording() as connection:
            passed: bool = await connection.fetchval(
                _sql["others_passed"], shard.topic, shard.partition, change.commit_lsn, change.lsn
            )
        return passed

    async def claim_table(self, table_name: str, source: str, topic: str, since: int) -> str:
        """The source that a table name belongs to: this one, unless another came first; it is covered since then."""
        async with self._database.recording() as connection:
            owner: str = await connection.fetchval(_sql["claim_table"], table_name, source, topic, since)
        return owner

    async def restart(self, progress: Progress, flushed_offset: int, reason: str | None) -> None:
        """Go on after an offset; its positions go on. With a reason its coverage ends here and begins anew.

        Raises:
            ShardMoved: another worker has moved the shard.
        """
        async with self._database.recording() as connection, connection.transaction():
            moved = await connection.fetchval(
                _sql["restart_progress"], progress.shard_id, progress.version, flushed_offset
            )
            if moved is None:
                raise ShardMoved
            if reason is not None:
                await connection.execute(_sql["end_coverage"], progress.shard_id, reason)

    async def unpublished(self, shard_id: int) -> list[Letter]:
        """Dead letters whose copy has not been sent yet, at most a hundred."""
        async with self._database.recording() as connection:
            found = await connection.fetch(_sql["unpublished_dead_letters"], shard_id)
        return [Letter(**{**dict(row), "record_headers": headers_from(row["record_headers"])}) for row in found]

    async def mark_published(self, letters: Sequence[Letter]) -> None:
        """Their copies were sent."""
        async with self._database.recording() as connection:
            await connection.execute(_sql["mark_published"], [letter.dead_letter_id for letter in letters])

    async def flush(self, batch: Batch, built: Sequence[bytes]) -> Progress:
        """Write a batch, whole or not at all.

        Args:
            batch: what to write.
            built: its events as rows (`rows.encode`), built before so that the shard is not locked meanwhile.

        Raises:
            ShardMoved: the shard's version is not the one that the batch was derived from.
        """
        try:
            async with self._database.recording() as connection:
                await self._ensure_partitions(connection, batch)
                faults.reach("before-lock")
                async with connection.transaction():
                    # A command is stored while nobody settles: S must not be past it before it is seen.
                    settled = await commands.hold(connection) if batch.commands else None
                    await self.write(connection, batch, built)
                    await commands.add(connection, batch, settled)
                    faults.reach("after-copy")
        except ShardMoved:
            if batch.events:
                await self.revive(batch.after.shard_id)
            raise
        faults.reach("after-commit")
        return batch.after

    async def write(self, connection: Connection, batch: Batch, built: Sequence[bytes]) -> None:
        """Write a batch in a transaction, once its partitions are there (`prepare`); raises as `flush` does."""
        await self._lock(connection, batch)
        await self._write(connection, batch, built)

    async def prepare(self, batch: Batch) -> None:
        """Make the partitions that a batch needs."""
        async with self._database.recording() as connection:
            await self._ensure_partitions(connection, batch)

    async def revive(self, shard_id: int) -> None:
        """Let the topic of a retired shard live on, from the settled instant: what has ended gets events again."""
        async with self._database.recording() as connection, connection.transaction():
            if await connection.fetchval(_sql["is_retired"], shard_id):
                await connection.execute(_sql["hold_settled"])
                await connection.execute(_sql["revive_shards"], shard_id)

    async def _lock(self, connection: Connection, batch: Batch) -> None:
        """Lock the shard's row by writing the progress, if it still has the version that was read."""
        after = batch.after
        sequence = after.last_sequence or (None, None)
        writing = asyncio.ensure_future(
            connection.fetchval(
                _sql["write_progress"],
                after.shard_id, batch.before.version, after.flushed_offset, after.record_offset,
                after.record_timestamp, after.record_hash, after.last_position, after.last_effective,
                after.newest_source_time, after.settled_until, *sequence,
                len(batch.events), batch.copies, len(batch.dead_letters), batch.live_delta, after.unsequenced_lsn,
                after.topic_id,
            )
        )  # fmt: skip
        try:
            done, _ = await asyncio.wait({writing}, timeout=self._database.lock_wait)
            if not done:
                await self._database.end_holders(connection.get_server_pid())
            version = await writing
        except BaseException:
            writing.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            writing.cancel()
            raise
        if version is None:
            raise ShardMoved

    @staticmethod
    async def _write(connection: Connection, batch: Batch, built: Sequence[bytes]) -> None:
        shard_id = batch.after.shard_id
        if batch.events:
            await connection.copy_to_table(
                "cdc_event", source=rows.copy_data(built), columns=rows.COLUMNS, format="binary"
            )
            keys = list(batch.activity)
            await connection.execute(
                _sql["add_activity"], shard_id, *map(list, zip(*keys, strict=True)), list(batch.activity.values())
            )
        if batch.dead_letters:
            await connection.execute(_sql["add_dead_letters"], shard_id, *letter_columns(batch.dead_letters))
        if batch.epoch_position is not None:
            await commands.begin_epoch(connection, batch)
        for source, instant in batch.markers.items():
            await connection.execute(_sql["add_marker"], source, instant)

    async def _ensure_partitions(self, connection: Connection, batch: Batch) -> None:
        """Make the partitions of the batch's days, and of the two days to come, in transactions of their own."""
        days = {minute // DAY for minute, *_ in batch.activity}
        if days:
            days |= {max(days) + 1, max(days) + 2}
        for day in sorted(days - self._days):
            await connection.execute("SELECT ensure_partition('cdc_event', $1)", day * DAY)
            self._days.add(day)


def progress_of(row: Mapping[str, Any]) -> Progress:
    """The progress that a shard's row holds."""
    values = {name: row[name] for name in _PROGRESS}
    commit_lsn = row["last_commit_lsn"]
    return Progress(**values, last_sequence=(commit_lsn, row["last_lsn"]) if commit_lsn is not None else None)
