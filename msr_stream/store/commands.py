"""Commands over a whole table in the database: stored by the shard that carries them, applied by every shard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from msr_stream.errors import ShardMoved
from msr_stream.instants import FIRST
from msr_stream.recording.batch import Batch
from msr_stream.recording.commands import Due
from msr_stream.recording.progress import Progress
from msr_stream.store import queries
from msr_stream.store.database import Connection, Database

_sql = queries.load("commands")
_recording = queries.load("recording")


async def hold(connection: Connection) -> int | None:
    """Let nobody flush or settle until the end of the transaction, of which this is the beginning; returns S."""
    await connection.execute(_recording["hold_settled"])
    settled: int | None = await connection.fetchval(_sql["settled_before"])
    return settled


async def will_write(connection: Connection) -> None:
    """Say that shards will be written, before the first one is held: nobody who stores a command is met half-way."""
    await connection.execute(_sql["will_write"])


async def add(connection: Connection, batch: Batch, settled: int | None) -> None:
    """Store the commands of a batch whose shard was written.

    Args:
        connection: within `hold`.
        batch: what is written.
        settled: S.
    """
    shard_id = batch.after.shard_id
    for command, time in batch.commands:
        numbers = command.commit_lsn, command.lsn, command.txid
        await connection.execute(
            _sql["add_command"], "truncate", command.table_name, None, shard_id, command.source_time, *numbers,
            time, settled,
        )  # fmt: skip


async def add_snapshot(connection: Connection, table: str, topic: str, time: int, settled: int | None) -> None:
    """Store that a table was read whole at a time of its source."""
    await connection.execute(
        _sql["add_command"], "snapshot", table, topic, None, time, None, None, None, time, settled
    )  # fmt: skip


async def begin_epoch(connection: Connection, batch: Batch) -> None:
    """Keep where a new capture epoch begins."""
    await connection.execute(_sql["begin_epoch"], batch.after.shard_id, batch.epoch_position)


async def end_entities(connection: Connection, shard: Any, table: str, at: int, command_id: int | None = None) -> int:
    """Delete what lives of a table in a shard that is held, at an instant; returns how many entities that were.

    Args:
        connection: in a transaction.
        shard: its row: `shard_id`, `last_position`.
        table: the table.
        at: not before the shard's last event, and after what is settled.
        command_id: only what was last recorded before this command.
    """
    ended: int = await connection.fetchval(
        _sql["end_entities"], shard["shard_id"], table, shard["last_position"], at, command_id, timeout=600
    )
    return ended


async def move(connection: Connection, shard_id: int, ended: int, at: int) -> Any:
    """Write a held shard's progress after so many deletes; returns its row."""
    return await connection.fetchrow(_sql["move_shard"], shard_id, ended, at)


async def drop(connection: Connection, table: str, shards: Sequence[int]) -> None:
    """A table has ended: its shards have no command left to apply."""
    await connection.execute(_sql["drop_commands"], table, list(shards))


class Commands:
    """What a shard has to apply."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, shard_id: int) -> list[Due]:
        """Every command that a shard has not applied yet, in order."""
        async with self._database.recording() as connection:
            return [Due(**dict(row)) for row in await connection.fetch(_sql["due_commands"], shard_id)]

    async def apply(self, progress: Progress, command: Due) -> tuple[Progress, int]:
        """Apply a command in a transaction of its own; returns the progress after it, and how many entities it ended.

        Raises:
            ShardMoved: another worker has written the shard, or has applied the command.
        """
        shard_id = progress.shard_id
        async with self._database.recording() as connection, connection.transaction():
            await will_write(connection)
            shard = await connection.fetchrow(_sql["hold_shard"], shard_id, progress.version)
            if shard is None or await connection.fetchval(_sql["take_command"], shard_id, command.command_id) is None:
                raise ShardMoved
            at = max(command.command_timestamp, shard["last_effective"] or FIRST, (shard["settled_until"] or FIRST) + 1)
            await connection.execute("SELECT ensure_partition('cdc_event', $1)", at)
            held = {"shard_id": shard_id, "last_position": shard["last_position"]}
            ended = await end_entities(connection, held, command.table_name, at, command.command_id)
            moved = await move(connection, shard_id, ended, at)
            if ended:
                await connection.execute(_sql["count_ended"], command.command_id, ended)
        return msgspec.structs.replace(progress, **dict(moved)), ended
