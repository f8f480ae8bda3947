"""One run of retention, step by step: broken off anywhere and begun again, it comes to the same end.

What an answer inside the bounds needs is never taken (design, invariants 14 and 17):

1. every shard gets a keyframe at the cutoff, also if nothing has changed;
2. one transaction raises the epoch and the earliest instant: from here on nothing older is answered;
3. answers and builds that began before are waited for; new ones have the new epoch and wait for nobody;
4. partitions wholly before the cutoff are detached (CONCURRENTLY: no reader waits) and dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import asyncpg

from msr_stream import instants, logs, metrics
from msr_stream.errors import MsrError, StorageError
from msr_stream.retention import KEPT, Cutoffs, Part, Plan, cutoffs
from msr_stream.settings import Settings
from msr_stream.store import queries
from msr_stream.store.database import Connection, Database
from msr_stream.store.retention import (
    PARENTS,
    alone,
    every_shard,
    hold_builds,
    planned,
    read_limits,
    shards_of,
    unkeyed,
    wait_for_readers,
)
from msr_stream.store.snapshot import LONGEST

log = logs.get(__name__)
_sql = queries.load("retention")
#: How long answers that began before are waited for, seconds: the longest that one may take. Then it is tried again.
LONGEST_ANSWER = LONGEST
#: A run that waits is heard of this often, seconds: else it is taken for dead.
_TOUCH = 20.0


class StillRead(MsrError):
    """Answers that began before are still being read; it goes on when they have ended."""


class Builder(Protocol):
    """What builds keyframes (`store.keyframes.Keyframes`)."""

    async def build(self, shard_id: int, at: int | None = None) -> int | None:
        """Build a keyframe of a shard at an instant, if there is none."""


class Retaining:
    """Removes what is too old, one worker at a time.

    Args:
        settings: the worker's.
        database: its connections.
        keyframes: builds keyframes.
        clock: says what is too old.
        patience: how long answers that began before are waited for, seconds.
        passed: told of every step that was done; tests break a run off here.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        keyframes: Builder,
        clock: Callable[[], int] = instants.now,
        patience: float = LONGEST_ANSWER,
        passed: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._worker, self._database, self._keyframes = settings.worker, database, keyframes
        self._clock, self._patience, self._passed = clock, patience, passed

    async def run(self, username: str | None = None) -> Plan | None:
        """Remove what is too old; returns what that was, `None` if nothing is settled.

        Args:
            username: who asked for it; `None`: it was due.

        Raises:
            Conflict: a run is under way already.
            StillRead: answers that began before are not done in time.
            Unavailable: the database is away.
        """
        async with alone(self._database) as connection:
            found = cutoffs(await read_limits(connection), self._clock())
            if found is None:
                return None
            begun = self._clock()
            run_id = await connection.fetchval(_sql["begin_run"], begun, found.history, self._worker, username)
            log.info("retention begins", run=run_id, cutoff=instants.render(found.history))
            try:
                plan = await self._steps(connection, run_id, found)
            except Exception as error:
                state = "waiting" if isinstance(error, StillRead) else "failed"
                metrics.RETENTION_RUNS.labels(state).inc()
                await connection.execute(_sql["end_run"], run_id, state, str(error) or repr(error), self._clock())
                raise
            await connection.execute(_sql["end_run"], run_id, "done", None, self._clock())
            metrics.RETENTION_RUNS.labels("done").inc()
            log.info("retention done", run=run_id, partitions=len(plan.parts), rows=plan.rows, bytes=plan.bytes)
            return plan

    async def _steps(self, connection: Connection, run_id: int, found: Cutoffs) -> Plan:
        await connection.execute(_sql["settle_shards"], found.history, await every_shard(connection))
        for table, at in found.tables.items():
            await connection.execute(_sql["settle_shards"], at, await shards_of(connection, table))
        await self._step(connection, run_id, "settled")
        plan = await planned(connection, found)
        await self._build(connection, found)
        await self._step(connection, run_id, "keyframes")
        await self._forget(connection, found)
        await self._step(connection, run_id, "forgotten", rows=sum(plan.table_rows.values()))
        await self._wait(connection)
        if self._database.replicated and plan.parts:
            await self._wait_for_replica(connection, run_id)
        await self._step(connection, run_id, "waited")
        for parent in PARENTS:
            parts = [part for part in plan.parts if part.parent == parent]
            await self._drop(connection, run_id, parent, found.history, parts)
        await self._tidy(connection, found.history)
        await self._step(connection, run_id, "tidied")
        return plan

    async def _build(self, connection: Connection, found: Cutoffs) -> None:
        for row in await unkeyed(connection, found.history):
            await self._keyframes.build(row["shard_id"], found.history)
        for table, at in found.tables.items():
            for row in await unkeyed(connection, at, table):
                await self._keyframes.build(row["shard_id"], at)

    async def _forget(self, connection: Connection, found: Cutoffs) -> None:
        """Raise the epoch and the bounds, and remove what does not go with a partition: all or nothing.

        Raises:
            StorageError: a shard has no keyframe where it needs one.
        """
        async with connection.transaction():
            await hold_builds(connection, await every_shard(connection))
            row = await connection.fetchrow(_sql["epoch"])
            missing = await unkeyed(connection, found.history)
            changed = row["retained_from"] != found.history
            for table, at in found.tables.items():
                missing += await unkeyed(connection, at, table)
                gone = await connection.fetchval(_sql["cut_table"], await shards_of(connection, table), table, at)
                await connection.execute(_sql["mark_table"], table, at)
                changed = changed or bool(gone)
            if missing:
                raise StorageError(
                    f"shards without a keyframe at the cutoff: {sorted({r['shard_id'] for r in missing})}"
                )
            await connection.execute(_sql["unmark_tables"], found.history)
            await connection.execute(_sql["drop_heads"], found.history)
            if changed:
                await connection.fetchval(_sql["raise_epoch"], found.history)

    async def _wait(self, connection: Connection) -> None:
        """Wait until nobody reads an old epoch.

        Raises:
            StillRead: somebody still does.
        """
        epoch = (await connection.fetchrow(_sql["epoch"]))["epoch"]
        if readers := await wait_for_readers(connection, epoch, self._patience):
            raise StillRead(f"{readers} answers or builds that began before are not done; it goes on later")

    async def _wait_for_replica(self, connection: Connection, run_id: int) -> None:
        """Wait as long as an answer may take: who reads an old epoch on a read replica is not seen here."""
        deadline = asyncio.get_running_loop().time() + self._patience
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            await self._step(connection, run_id, "waiting for the read replica")
            await asyncio.sleep(min(left, _TOUCH))

    async def _drop(self, connection: Connection, run_id: int, parent: str, at: int, parts: list[Part]) -> None:
        """Detach and drop the partitions of a parent."""
        await connection.execute(f"SET lock_timeout TO '{int(self._patience * 1000)}ms'")
        for row in await connection.fetch(_sql["attached"], parent, at):
            how = "FINALIZE" if row["pending"] else "CONCURRENTLY"
            await connection.execute(f'ALTER TABLE {parent} DETACH PARTITION "{row["name"]}" {how}')
            self._passed(f"detached {parent}")
        dropped = await self._drop_parts(connection, parent, at)
        rows, size = sum(part.rows for part in parts), sum(part.bytes for part in parts)
        metrics.RETENTION_PARTITIONS.inc(dropped)
        metrics.RETENTION_BYTES.inc(size)
        await self._step(connection, run_id, f"dropped {parent}", dropped, rows, size)

    async def _drop_parts(self, connection: Connection, parent: str, at: int) -> int:
        """Drop what readers can no longer see; where a dialect gives up because somebody does, again and again."""
        deadline = asyncio.get_running_loop().time() + self._patience
        while True:
            try:
                return int(await connection.fetchval(_sql["drop_parts"], parent, at))
            except asyncpg.LockNotAvailableError:
                if asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(1)

    async def _tidy(self, connection: Connection, at: int) -> None:
        old = min(at, self._clock() - KEPT)
        async with connection.transaction():
            await connection.execute(_sql["drop_heads"], at)
            await connection.execute(_sql["tidy_activity"], at)
            await connection.execute(_sql["tidy_coverage"], at)
            await connection.execute(_sql["tidy_letters"], old)
            await connection.execute(_sql["tidy_sessions"], old)

    async def _step(
        self, connection: Connection, run_id: int, step: str, parts: int = 0, rows: int = 0, size: int = 0
    ) -> None:
        await connection.execute(_sql["step_run"], run_id, step, self._clock(), parts, rows, size)
        log.info("retention goes on", run=run_id, step=step, partitions=parts, rows=rows, bytes=size)
        self._passed(step)
