"""Sources in the database: what is known of them, and the end of a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from msr_stream import instants
from msr_stream.errors import NotFound
from msr_stream.store import commands, queries
from msr_stream.store.audit import Actor, note
from msr_stream.store.database import Connection, Database

_sql = queries.load("sources")


class Known(NamedTuple):
    """Rows of `source`, `source_table` and `shard`, as they are."""

    sources: Sequence[Any]
    tables: Sequence[Any]
    shards: Sequence[Any]


class Ended(NamedTuple):
    """A retired table: since when, and how many entities were deleted by this request."""

    retired_at: int
    entities: int


class Sources:
    """What administration reads of sources, and how it ends a table."""

    def __init__(self, database: Database, clock: Callable[[], int] = instants.now) -> None:
        self._database, self._clock = database, clock

    async def known(self) -> Known:
        """All sources, tables and shards."""
        async with self._database.serving() as connection, connection.transaction(isolation="repeatable_read"):
            return Known(*[await connection.fetch(_sql[name]) for name in ("sources", "tables", "shards")])

    async def published(self, source: str, tables: Sequence[str]) -> list[tuple[str, bool]]:
        """Keep which tables a source publishes; returns those of which that is news, and whether it does."""
        async with self._database.recording() as connection:
            found = await connection.fetch(_sql["published"], source, list(tables))
        return [(row["table_name"], row["published"]) for row in found]

    async def retire(self, source: str, table: str, actor: Actor) -> Ended:
        """End a table: its live entities are deleted at one instant, in every shard, in one transaction.

        The instant is not before now, and after everything that is recorded or settled in its shards. Shards all
        of whose tables have ended are retired too: they hold the settled instant back no longer. Once retired, a
        table is left as it is.

        Raises:
            NotFound: the source has no such table.
            Unavailable: the database is away, or a shard cannot be had in time.
        """
        if "\0" in source + table:
            raise NotFound("no source and no table has such a name")
        async with self._database.serving() as connection, connection.transaction():
            await hold_lightly(connection, self._database)
            found = await connection.fetchrow(_sql["table"], source, table)
            if found is None:
                raise NotFound(f"source {source!r} has no table {table!r}")
            shards = await connection.fetch(_sql["hold_shards"], source, found["topic"])
            found = await connection.fetchrow(_sql["table"], source, table)  # as it is now that nobody writes
            if found["retired_at"] is not None:
                return Ended(found["retired_at"], 0)
            at = max(self._clock(), *(bound + 1 for shard in shards for bound in _bounds(shard)))
            await connection.execute("SELECT ensure_partition('cdc_event', $1)", at)
            holding = [shard for shard in shards if shard["holds_table"]]
            await commands.drop(connection, table, [shard["shard_id"] for shard in holding])
            entities = sum([await _end(connection, shard, table, at) for shard in holding])
            await connection.execute(_sql["retire_table"], table, at)
            await connection.fetch(_sql["retire_shards"], [shard["shard_id"] for shard in shards], at)
            after = {"retired_at": instants.render(at), "entities": entities}
            await note(connection, actor, "table.retire", f"{source}/{table}", after=after)
        return Ended(at, entities)


async def hold_lightly(connection: Connection, database: Database) -> None:
    """Let this transaction hold shards for as long as it works, and lose them soon if this worker is paused."""
    await connection.execute(_sql["bound_change"], f"{int(database.lock_wait * 2000)}ms")
    await commands.will_write(connection)


def _bounds(shard: Any) -> list[int]:
    return [shard[name] for name in ("last_effective", "settled_until") if shard[name] is not None]


async def _end(connection: Connection, shard: Any, table: str, at: int) -> int:
    """Delete what lives of a table in a shard that is held; returns how many entities that were."""
    ended = await commands.end_entities(connection, shard, table, at)
    await commands.move(connection, shard["shard_id"], ended, at)
    return ended
