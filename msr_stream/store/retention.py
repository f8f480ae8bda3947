"""Retention in the database: what would go, what was done, tables with a time of their own (design, invariant 17)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from msr_stream import instants
from msr_stream.errors import Conflict, NotFound
from msr_stream.retention import Cutoffs, Limits, Part, Plan, cutoffs, next_run
from msr_stream.store import queries
from msr_stream.store.audit import Actor, note
from msr_stream.store.companions import EPOCH_LOCK
from msr_stream.store.database import Connection, Database
from msr_stream.store.sources import hold_lightly

_sql = queries.load("retention")
#: What is partitioned by time.
PARENTS = ("cdc_event", "keyframe")
#: How long an erasure waits for answers that began before it, seconds.
OPEN_PATIENCE = 5.0
_POLL = 0.1


class Retention:
    """What administrators see and set of retention; `store.retaining` does it."""

    def __init__(
        self, database: Database, clock: Callable[[], int] = instants.now, patience: float = OPEN_PATIENCE
    ) -> None:
        self._database, self._clock, self._patience = database, clock, patience

    async def status(self) -> dict[str, Any]:
        """The last run, the next one, and before which instants history goes."""
        async with self._database.serving() as connection, connection.transaction(isolation="repeatable_read"):
            row = await connection.fetchrow(_sql["limits"])
            found = cutoffs(await read_limits(connection), self._clock())
            last = await connection.fetchrow(_sql["last_run"])
            tables = await connection.fetch(_sql["tables"])
        upcoming = next_run(row["cron"], self._clock())
        return {
            "cutoff": _text(found.history if found else None),
            "retained_from": _text(row["retained_from"]),
            "next_run": _text(upcoming),
            "last_run": _run(last) if last is not None else None,
            "tables": [
                {
                    "table": one["table_name"],
                    "days": one["retention_days"],
                    "retained_from": _text(one["retained_from"]),
                }
                for one in tables
            ],
        }

    async def plan(self) -> Plan:
        """What a run would take away now; nothing is changed.

        Raises:
            Conflict: nothing is settled, so nothing can be said.
            Unavailable: the database is away.
        """
        async with self._database.serving() as connection, connection.transaction(isolation="repeatable_read"):
            await connection.execute("SET LOCAL statement_timeout TO '2min'")
            found = cutoffs(await read_limits(connection), self._clock())
            if found is None:
                raise Conflict("nothing is settled yet: nothing is old")
            return await planned(connection, found)

    async def note_run(self, actor: Actor) -> None:
        """Note that somebody asked for a run."""
        async with self._database.serving() as connection, connection.transaction():
            await note(connection, actor, "retention.run", "history")

    async def set_days(self, table: str, days: int | None, actor: Actor) -> None:
        """Keep a table's history for so many days; `None`: as long as all history.

        Raises:
            NotFound: there is no such table.
        """
        async with self._database.serving() as connection, connection.transaction():
            found = await connection.fetchrow(_sql["set_days"], table, days)
            if found is None:
                raise NotFound(f"there is no table {table!r}")
            await note(
                connection, actor, "retention.table", table, before={"days": found["before"]}, after={"days": days}
            )

    async def erase(self, table: str, entity_id: str, reason: str, actor: Actor) -> dict[str, int]:
        """Erase one entity's history, all or nothing: events, keyframe rows, dead letters; positions keep their gaps.

        Answers that began before go on as they began, in their snapshot, and are waited for a little; those that begin
        later know nothing of it.

        Returns:
            How many rows of each kind went, and how many answers that began before are still open.

        Raises:
            NotFound: nothing is known of it.
            Unavailable: the database is away, or a keyframe is being built for too long.
        """
        async with self._database.serving() as connection, connection.transaction():
            await hold_lightly(connection, self._database)
            await connection.execute("SET LOCAL lock_timeout TO '60s'")
            # No keyframe is built meanwhile: one that was begun before would bring it back.
            await hold_builds(connection, await every_shard(connection))
            rows = await connection.fetchval(_sql["erase_rows"], table, entity_id, timeout=600)
            shards = [row["shard_id"] for row in await connection.fetch(_sql["erase_shards"], table, entity_id)]
            events = await connection.fetchval(_sql["erase_events"], shards, table, entity_id, timeout=600)
            await connection.execute(_sql["erase_activity"], shards, table)
            letters = await connection.fetchval(_sql["erase_letters"], table, entity_id)
            erased = {"events": events, "keyframe_rows": rows, "dead_letters": letters}
            if not any(erased.values()):
                raise NotFound(f"nothing is recorded of {table!r}, {entity_id!r}")
            epoch = await connection.fetchval(_sql["raise_epoch"], None)
            subject = f"{table}/{entity_id}"
            await note(connection, actor, "retention.erase", subject, after=erased | {"reason": reason})
        async with self._database.serving() as connection:
            still = await wait_for_readers(connection, epoch, self._patience)
        return erased | {"open_answers": still}

    async def last_run(self) -> Any:
        """The newest run, if there is one."""
        async with self._database.serving() as connection:
            return await connection.fetchrow(_sql["last_run"])

    async def cron(self) -> str:
        """When retention is due, as a cron expression."""
        async with self._database.serving() as connection:
            return str((await connection.fetchrow(_sql["limits"]))["cron"])


async def read_limits(connection: Connection) -> Limits:
    """What the settings say, and what was done before."""
    row = await connection.fetchrow(_sql["limits"])
    tables = await connection.fetch(_sql["tables"])
    return Limits(
        row["range_days"],
        row["earliest_valid"],
        row["settled"],
        row["retained_from"],
        {one["table_name"]: one["retention_days"] for one in tables if one["retention_days"] is not None},
        {one["table_name"]: one["retained_from"] for one in tables if one["retained_from"] is not None},
    )


async def planned(connection: Connection, found: Cutoffs) -> Plan:
    """What goes before these cutoffs."""
    parts = [
        Part(parent, row["part"], row["estimated_rows"], row["bytes"])
        for parent in PARENTS
        for row in await connection.fetch(_sql["parts"], parent, found.history)
    ]
    rows = {}
    keyed = {(row["shard_id"], found.history) for row in await unkeyed(connection, found.history)}
    for table, at in found.tables.items():
        rows[table] = await connection.fetchval(_sql["count_table"], await shards_of(connection, table), table, at)
        keyed |= {(row["shard_id"], at) for row in await unkeyed(connection, at, table)}
    return Plan(found, parts, rows, len(keyed))


async def unkeyed(connection: Connection, at: int, table: str | None = None) -> list[Any]:
    """Shards with history before an instant that have no keyframe at it."""
    return list(await connection.fetch(_sql["unkeyed"], at, table))


async def shards_of(connection: Connection, table: str) -> list[int]:
    """The shards of a table."""
    return [row["shard_id"] for row in await connection.fetch(_sql["shards_of"], table)]


async def every_shard(connection: Connection) -> list[int]:
    """All shards."""
    return [row["shard_id"] for row in await connection.fetch(_sql["every_shard"])]


async def hold_builds(connection: Connection, shards: list[int]) -> None:
    """Until the end of the transaction nobody builds a keyframe of these shards."""
    await connection.execute(_sql["hold_builds"], shards)


async def wait_for_readers(connection: Connection, epoch: int, patience: float) -> int:
    """Wait until nobody reads an epoch before this one, so many seconds at most; returns how many still do.

    It is asked again and again: who queued for their lock would make others wait.
    """
    deadline = asyncio.get_running_loop().time() + patience
    while readers := await connection.fetchval(_sql["old_readers"], EPOCH_LOCK, epoch):
        if asyncio.get_running_loop().time() > deadline:
            return int(readers)
        await asyncio.sleep(_POLL)
    return 0


@asynccontextmanager
async def alone(database: Database) -> AsyncIterator[Connection]:
    """A connection of its own, which alone of all workers removes history until it is closed.

    Raises:
        Conflict: another one does.
        Unavailable: the database is away.
    """
    async with database.dedicated("retain") as connection:
        if not await connection.fetchval(_sql["only_one"]):
            raise Conflict("retention is under way already")
        yield connection


def _run(row: Any) -> dict[str, Any]:
    run = dict(row)
    for name in ("cutoff", "started_at", "touched_at", "finished_at"):
        run[name] = _text(run[name])
    return run


def _text(instant: int | None) -> str | None:
    return None if instant is None else instants.render(instant)
