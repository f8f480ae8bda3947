"""One answer on several connections: the further ones, its companions, read in the snapshot of its own (invariant 14).

A companion is taken only if a connection is free at once, and steps back as soon as somebody waits for one: an answer
never waits for a connection while it holds another, and many who ask at a time are not slowed by one who has two.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import asyncpg

from msr_stream import logs
from msr_stream.store import queries
from msr_stream.store.database import PASSING, Connection, Database
from msr_stream.store.literals import literal
from msr_stream.store.reader import read_as

log = logs.get(__name__)

_sql = queries.load("replay")

#: Says whether a connection is to take more work.
GoOn = Callable[[], bool]
#: What is done on each connection: it takes a piece of work after the other, as long as it may.
Work = Callable[[Connection, GoOn], Awaitable[None]]


class Reading(NamedTuple):
    """How an answer reads.

    Attributes:
        role: the reading role.
        tenant: whose rows it sees, beside shared ones.
        epoch: the history's, which it holds.
        work_mem_mb: memory of one sort or hash, MB.
    """

    role: str
    tenant: str
    epoch: int
    work_mem_mb: int


class Places:
    """The connections for answers: how many can be had at once, and whether somebody waits for one.

    Attributes:
        all: how many there are.
        read: what they read from, in words.
    """

    def __init__(self, database: Database) -> None:
        self.all, self.read = database.replays, database.read
        self._database, self._asked = database, 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Connection]:
        """A connection, as soon as there is one."""
        self._asked += 1
        try:
            async with self._database.replaying() as connection:
                yield connection
        finally:
            self._asked -= 1

    @property
    def free(self) -> int:
        """How many can be had at once."""
        return max(0, self.all - self._asked)

    @property
    def wanted(self) -> bool:
        """Whether an answer waits for one."""
        return self._asked > self.all


class Companions:
    """The connections of one answer.

    Args:
        places: has them.
        own: the one that holds the snapshot.
        reading: how it reads.
        most: how many connections it may have, with its own.
    """

    def __init__(self, places: Places, own: Connection, reading: Reading, most: int) -> None:
        self._places, self._own, self._reading, self._most = places, own, reading, most

    async def share(self, work: Work) -> None:
        """Do some work on all connections that can be had at once; if it fails on one, it is given up on all."""
        further = min(self._most - 1, self._places.free)
        if further < 1:
            await work(self._own, _always)
            return
        snapshot = await self._own.fetchval("SELECT pg_export_snapshot()")
        tasks = [asyncio.ensure_future(work(self._own, _always))]
        tasks += [asyncio.ensure_future(self._help(work, snapshot)) for _ in range(further)]
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def _help(self, work: Work, snapshot: str) -> None:
        async with self._companion(snapshot) as connection:
            if connection is not None:
                await work(connection, lambda: not self._places.wanted)

    @asynccontextmanager
    async def _companion(self, snapshot: str) -> AsyncIterator[Connection | None]:
        """A further connection in the snapshot; `None` if there is none, or not one that sees it."""
        async with AsyncExitStack() as stack:
            connection = await self._connected(stack)
            if connection is None or not await self._join(connection, snapshot):
                yield None
                return
            try:
                yield connection
            except BaseException:
                connection.terminate()  # that stops the statement at once
                raise
            await connection.execute("ROLLBACK")
            await connection.execute(_sql["let_epoch_go"], self._reading.epoch)

    async def _connected(self, stack: AsyncExitStack) -> Connection | None:
        if not self._places.free:
            return None
        try:
            return await stack.enter_async_context(self._places.one())
        except PASSING as error:
            log.info("an answer is read on fewer connections", reason=str(error))
            return None

    async def _join(self, connection: Connection, snapshot: str) -> bool:
        """Read in the snapshot, as the answer's own connection does.

        The epoch is held as well, if that needs no waiting: who waits for it to be let go waits for this answer.
        """
        reading = self._reading
        try:
            if not await connection.fetchval(_sql["hold_epoch_now"], reading.epoch):
                return False
            await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            await connection.execute(f"SET TRANSACTION SNAPSHOT {literal(snapshot)}")
            await read_as(connection, reading.role, reading.tenant)
            await connection.execute(f"SET LOCAL work_mem TO '{reading.work_mem_mb}MB'")
        except asyncpg.PostgresError as error:  # another server behind the same address, say
            log.info("an answer is read on fewer connections", reason=str(error))
            connection.terminate()
            return False
        return True


def _always() -> bool:
    return True
