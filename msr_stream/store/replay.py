"""Answers about the past: each opens one snapshot, settled and of the current epoch (design, invariants 10 and 14)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg

from msr_stream import instants
from msr_stream.bounds import Bounds
from msr_stream.errors import RequestError, Unavailable
from msr_stream.instants import FIRST, SECOND
from msr_stream.settings import Settings
from msr_stream.store import queries
from msr_stream.store.companions import Companions, Places, Reading
from msr_stream.store.database import PASSING, Connection, Database
from msr_stream.store.reader import read_as
from msr_stream.store.snapshot import LONGEST, Snapshot
from msr_stream.store.standing import bounds_of

_sql = queries.load("replay")
_settling = queries.load("settling")
#: How long an answer waits for its moment to settle, seconds.
PATIENCE = 2.0
_POLL = 0.05
_SOON = {"Retry-After": "1"}
#: How often an answer begins anew because the epoch was raised in that moment.
_EPOCHS = 5
#: What ends a snapshot by the database's fault; a broken connection to the client is an `OSError` too, and is not.
_ENDED = tuple(kind for kind in PASSING if kind is not OSError)


class Replay:
    """Opens snapshots, so many at a time.

    Attributes:
        places: the connections for them.
        waiting: how many wait for their turn.
    """

    def __init__(self, settings: Settings, database: Database, clock: Callable[[], int] = instants.now) -> None:
        self.places, self.waiting = Places(database), 0
        self._turns, self._clock = asyncio.Semaphore(min(settings.replay_concurrency, self.places.all)), clock
        self._connections = settings.replay_connections_per_answer
        self._patience, self._reader = settings.replay_patience, settings.database_reader_role

    def check_early(self, moment: int | None) -> None:
        """Refuse what is later than now at once, before anything is waited for."""
        now = self._clock()
        if moment is not None and moment > now:
            Bounds(now, FIRST, 0, None, shards=True).check(moment)

    @asynccontextmanager
    async def snapshot(self, tenant: str, until: int | None) -> AsyncIterator[Snapshot]:
        """A snapshot in which an instant is settled, if that can be waited for.

        Args:
            tenant: whose rows are seen, beside shared ones.
            until: the latest instant that will be asked of it; `None` for whatever is settled.

        Raises:
            Unavailable: no turn, no database, or (from `Snapshot.resolve`) not settled in time.
        """
        self.waiting += 1
        try:
            await asyncio.wait_for(self._turns.acquire(), self._patience)
        except TimeoutError as error:
            raise Unavailable("too many replays at a time", headers={"Retry-After": "2"}) from error
        finally:
            self.waiting -= 1
        try:
            async with asyncio.timeout(LONGEST), self._connected() as connection:
                await self._wait_settled(connection, until)
                for _ in range(_EPOCHS):
                    async with self._reading(connection, tenant) as epoch:
                        found = await self._begin(connection, epoch, tenant)
                        if found is not None:
                            yield found
                            return
                raise Unavailable("the history is being changed", headers=_SOON)
        except (asyncpg.QueryCanceledError, TimeoutError) as error:
            raise Unavailable("reading the history took too long", headers={"Retry-After": "5"}) from error
        except asyncpg.TransactionRollbackError as error:  # what is read only is rolled back on a replica alone
            raise Unavailable(f"{self.places.read} ended the answer to go on replaying", headers=_SOON) from error
        except _ENDED as error:
            raise Unavailable(f"{self.places.read} is not available", headers={"Retry-After": "2"}) from error
        finally:
            self._turns.release()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        try:
            acquired = self.places.one()
            connection = await acquired.__aenter__()
        except PASSING as error:
            raise Unavailable(f"{self.places.read} is not available", headers={"Retry-After": "2"}) from error
        try:
            yield connection
        finally:
            await acquired.__aexit__(None, None, None)

    async def _wait_settled(self, connection: Connection, until: int | None) -> None:
        """Wait a little for the instant to settle; whether it did is seen in the snapshot."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while asyncio.get_running_loop().time() < deadline:
            row = await connection.fetchrow(_settling["settled"])
            settled = row["settled_until"]
            if not row["shards"] or (settled is not None and (until is None or settled >= until)):
                return
            if until is not None and until > self._clock() + SECOND:
                return
            await asyncio.sleep(_POLL)

    @asynccontextmanager
    async def _reading(self, connection: Connection, tenant: str) -> AsyncIterator[int]:
        """One snapshot, and the history's current epoch held: who takes something out of it waits until it is let go.

        It is read as the role that sees one tenant's rows only; the end of the transaction gives that role up.
        An answer that is given up half-way ends its connection: that stops the statement at once.
        """
        epoch: int = await connection.fetchval(_sql["epoch"])
        await connection.execute(_sql["hold_epoch"], epoch)
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            await read_as(connection, self._reader, tenant)
            yield epoch
        except RequestError:
            await self._let_go(connection, epoch)
            raise
        except BaseException:
            connection.terminate()
            raise
        await self._let_go(connection, epoch)

    @staticmethod
    async def _let_go(connection: Connection, epoch: int) -> None:
        await connection.execute("ROLLBACK")
        await connection.execute(_sql["let_epoch_go"], epoch)

    async def _begin(self, connection: Connection, epoch: int, tenant: str) -> Snapshot | None:
        """The transaction's snapshot; `None` if the epoch was raised before it was held."""
        row = await connection.fetchrow(_sql["bounds"])
        if row["epoch"] != epoch:
            return None
        settled = await connection.fetchrow(_settling["settled"])
        await connection.execute(f"SET LOCAL work_mem TO '{row['work_mem_mb']}MB'")
        reading = Reading(self._reader, tenant, epoch, row["work_mem_mb"])
        companions = Companions(self.places, connection, reading, self._connections)
        return Snapshot(connection, bounds_of(row, settled, self._clock()), tenant, epoch, companions)
