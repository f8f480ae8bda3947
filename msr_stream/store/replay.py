"""Answers about the past: one snapshot of the database each, streamed from COPY (design, invariants 10 to 16)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from msr_stream import instants, metrics
from msr_stream.errors import RequestError, Unavailable
from msr_stream.instants import FIRST, SECOND
from msr_stream.replay import Bounds, EventsQuery, StateQuery, not_settled
from msr_stream.settings import Settings
from msr_stream.store import planning, queries
from msr_stream.store.database import PASSING, Connection, Database
from msr_stream.store.reader import read_as
from msr_stream.store.standing import bounds_of, missing

_sql = queries.load("replay")
_settling = queries.load("settling")
#: First half of the advisory lock's key; the second is the epoch.
EPOCH_LOCK = 0x4D5352
#: How long an answer waits for its moment to settle, seconds.
PATIENCE = 2.0
_POLL = 0.05
#: How often an answer begins anew because the epoch was raised in that moment.
_EPOCHS = 5
#: How long one answer may be read, seconds; the statement's own limit is the same.
_LONGEST = 600.0

#: What ends a snapshot by the database's fault; a broken connection to the client is an `OSError` too, and is not.
_ENDED = tuple(kind for kind in PASSING if kind is not OSError)

#: Takes what was read, piece by piece: lines of JSON, each after a comma.
Sink = Callable[[bytes], Awaitable[None]]


class Snapshot:
    """One snapshot of the history, for one tenant.

    Attributes:
        bounds: between what it may move.
        tenant: whose rows are seen, beside shared ones.
    """

    def __init__(self, connection: Connection, bounds: Bounds, tenant: str) -> None:
        self.bounds, self.tenant = bounds, tenant
        self._connection = connection

    def resolve(self, moment: int | None) -> int:
        """The instant that will be answered: the moment, or the settled instant.

        Raises:
            Unavailable: it is not settled.
        """
        latest = self.bounds.latest_answer
        if latest is None or (moment is not None and moment > latest):
            raise not_settled(self.bounds)
        return latest if moment is None else moment

    async def incomplete(self, at: int, start: int | None = None) -> list[str]:
        """Tables of which this snapshot may not have all at an instant, or of a window that ends with it; `*`: any."""
        if not self.bounds.shards:
            return ["*"]
        return (await missing(self._connection, at, at if start is None else start)).names

    async def state(self, query: StateQuery, at: int, sink: Sink) -> None:
        """The state at an instant, shard by shard."""
        with metrics.QUERY_SECONDS.labels("state").time():
            found = await planning.parts(self._connection, at)
            await self._connection.execute(_sql["no_loops"])
            for statement in planning.state_statements(found, at, self.tenant, planning.left_out(query.filter)):
                await self._copy(statement, sink)
            await self._connection.execute(_sql["loops"])

    async def events(self, query: EventsQuery, sink: Sink) -> None:
        """The events of a window, in the served order, slice after slice."""
        with metrics.QUERY_SECONDS.labels("events").time():
            shards = await planning.shards_since(self._connection, query.start)
            where, counted = planning.left_out(query.filter), _Counted(sink)
            start, length, brought = query.start, 0, None
            while shards and start < query.end:
                length = planning.next_slice(length, brought)
                end = min(start + length, query.end)
                counted.bytes = 0
                await self._copy(planning.events_statement(shards, start, end, self.tenant, where), counted)
                start, brought = end, counted.bytes

    async def rows(self, statement: str, *arguments: Any) -> list[Any]:
        """The few rows of a statement, which sees what this snapshot sees."""
        found: list[Any] = await self._connection.fetch(statement, *arguments)
        return found

    async def copy(self, statement: str, sink: Sink) -> None:
        """The rows of a statement of one column that holds JSON text, each with a line break; cut anywhere."""
        await self._copy(statement, sink)

    async def _copy(self, statement: str, sink: Sink) -> None:
        # JSON text holds no control characters: with these nothing is ever quoted or escaped.
        await self._connection.copy_from_query(
            statement, output=sink, format="csv", quote="\x01", delimiter="\x02", timeout=_LONGEST
        )


class _Counted:
    """A sink that counts what passes."""

    def __init__(self, sink: Sink) -> None:
        self.bytes = 0
        self._sink = sink

    async def __call__(self, piece: bytes) -> None:
        self.bytes += len(piece)
        await self._sink(piece)


class Replay:
    """Opens snapshots, so many at a time."""

    def __init__(self, settings: Settings, database: Database, clock: Callable[[], int] = instants.now) -> None:
        self._database, self._clock = database, clock
        self._turns = asyncio.Semaphore(settings.replay_concurrency)
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
        try:
            await asyncio.wait_for(self._turns.acquire(), self._patience)
        except TimeoutError as error:
            raise Unavailable("too many replays at a time", headers={"Retry-After": "2"}) from error
        try:
            async with self._connected() as connection:
                await self._wait_settled(connection, until)
                for _ in range(_EPOCHS):
                    async with self._reading(connection, tenant) as epoch:
                        found = await self._begin(connection, epoch, tenant)
                        if found is not None:
                            yield found
                            return
                raise Unavailable("the history is being changed", headers={"Retry-After": "1"})
        except (asyncpg.QueryCanceledError, TimeoutError) as error:
            raise Unavailable("reading the history took too long", headers={"Retry-After": "5"}) from error
        except _ENDED as error:
            raise Unavailable("the history database is not available", headers={"Retry-After": "2"}) from error
        finally:
            self._turns.release()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        try:
            acquired = self._database.replaying()
            connection = await acquired.__aenter__()
        except PASSING as error:
            raise Unavailable("the history database is not available", headers={"Retry-After": "2"}) from error
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
        await connection.execute("SELECT pg_advisory_lock_shared($1, $2)", EPOCH_LOCK, epoch)
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
        await connection.execute("SELECT pg_advisory_unlock_shared($1, $2)", EPOCH_LOCK, epoch)

    async def _begin(self, connection: Connection, epoch: int, tenant: str) -> Snapshot | None:
        """The transaction's snapshot; `None` if the epoch was raised before it was held."""
        row = await connection.fetchrow(_sql["bounds"])
        if row["epoch"] != epoch:
            return None
        settled = await connection.fetchrow(_settling["settled"])
        await connection.execute(f"SET LOCAL work_mem TO '{row['work_mem_mb']}MB'")
        return Snapshot(connection, bounds_of(row, settled, self._clock()), tenant)
