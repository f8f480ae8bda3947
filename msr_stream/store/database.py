"""Connections to the history database: the recorder, replay, keyframes and all the rest have pools of their own.

So none of them starves another. What answers are read from may be a read replica.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg

from msr_stream import logs
from msr_stream.errors import Unavailable
from msr_stream.settings import Settings
from msr_stream.store.connecting import Connection, connect_arguments, connect_watched, read_arguments, use_instants

__all__ = ["PASSING", "Connection", "Database", "connect_arguments", "use_instants"]

log = logs.get(__name__)
T = TypeVar("T")

#: Errors that a retry can mend: the database is away, restarting, busy, or has ended this connection.
PASSING = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InternalClientError,
)


#: What uvloop says of a connection that the other end has closed, before asyncpg has heard of it.
_CLOSED = "the handler is closed"


class Database:
    """The pools of one worker.

    All `timestamptz` values pass as instants (`msr_stream.instants`): whole microseconds, as `int`.

    Attributes:
        replicated: whether answers are read from a read replica.
        read: what they are read from, in words.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._said_at = -1.0
        self.replicated, reading = bool(settings.database_read_host), read_arguments(settings)
        self.read = "the read replica" if self.replicated else "the history database"
        # A worker that is paused must lose its lock before the group gives its shard away (invariant 9).
        self.lock_wait = settings.group_session_timeout / 4
        recording = min(4, (settings.database_max_conns - 1) // 2)
        serving = max(1, settings.database_max_conns // 5)
        self._recording = self._pool(
            "recorder",
            size=recording,
            reset=_leave_as_it_is,
            lock_timeout=f"{int(self.lock_wait * 2000)}ms",
            max_parallel_workers_per_gather="0",  # a look-up takes the first branch that has something
            enable_seqscan="off",  # a plan made while a partition was empty must not read all of it later
            idle_in_transaction_session_timeout=f"{int(settings.group_session_timeout * 500)}ms",
        )
        #: Connections for answers.
        self.replays = settings.database_max_conns - recording - serving - 1
        self._replaying = self._pool(
            "replay",
            size=self.replays,
            to=reading,
            connect=connect_watched,
            statement_timeout="10min",  # a slow reader is cut by its own pace, not by this
            default_transaction_read_only="on",
        )
        self._building = self._pool("build", size=1, work_mem="128MB", command_timeout=3600)
        self._serving = self._pool("serve", size=serving, statement_timeout="15s", lock_timeout="5s")
        self._looking = self._serving
        if self.replicated:
            self._looking = self._pool("look", size=max(2, serving), to=reading, statement_timeout="15s")

    def _pool(
        self,
        purpose: str,
        size: int,
        command_timeout: float = 120,
        reset: Callable[[Connection], Awaitable[None]] | None = None,
        to: dict[str, Any] | None = None,
        connect: Callable[..., Awaitable[Connection]] = asyncpg.connect,
        **server_settings: str,
    ) -> asyncpg.Pool:
        s = self._settings
        return asyncpg.create_pool(
            **(to or connect_arguments(s)),
            min_size=0,
            max_size=size,
            max_inactive_connection_lifetime=s.database_max_conn_lifetime,
            connect=connect,
            init=use_instants,
            reset=reset,
            command_timeout=command_timeout,
            server_settings={
                "search_path": f'"{s.database_schema}"',
                "application_name": f"msr {purpose} {s.worker}",
                "tcp_keepalives_idle": "2",
                "tcp_keepalives_interval": "2",
                "tcp_keepalives_count": "3",
                "jit": "off",  # plans are short; compiling them is not
                **server_settings,
            },
        )

    async def open(self) -> None:
        """Open the pools; connections are made when they are needed."""
        for pool in self._pools:
            await pool

    async def close(self) -> None:
        """Close the pools; a connection still busy after a while is cut, one that builds a keyframe at once."""
        self._building.terminate()
        for pool in self._pools:
            try:
                await asyncio.wait_for(pool.close(), 5)
            except TimeoutError:
                pool.terminate()

    @asynccontextmanager
    async def recording(self) -> AsyncIterator[Connection]:
        """A connection for the recorder."""
        async with self._recording.acquire(timeout=10) as connection:
            yield connection

    @asynccontextmanager
    async def replaying(self) -> AsyncIterator[Connection]:
        """A connection for an answer: read only, its statements bounded."""
        async with self._replaying.acquire(timeout=10) as connection:
            yield connection

    @asynccontextmanager
    async def building(self) -> AsyncIterator[Connection]:
        """The connection for keyframes: one at a time is built, so that flushes keep the machine."""
        async with self._building.acquire() as connection:
            yield connection

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Connection]:
        """A connection for everything else: sessions, settings, administration.

        Raises:
            Unavailable: the database is away, busy, or has ended the connection.
        """
        try:
            async with self._serving.acquire(timeout=10) as connection:
                yield connection
        except PASSING as error:
            raise Unavailable("the database is not available", headers={"Retry-After": "2"}) from error

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[Connection]:
        """A connection for a short look at what answers are read from.

        Raises:
            Unavailable: it is away, busy, or has ended the connection.
        """
        try:
            async with self._looking.acquire(timeout=10) as connection:
                yield connection
        except PASSING as error:
            raise Unavailable(f"{self.read} is not available", headers={"Retry-After": "2"}) from error

    @asynccontextmanager
    async def dedicated(self, purpose: str) -> AsyncIterator[Connection]:
        """A connection of its own for long work: no limit to its statements, one of half a minute to its locks.

        Raises:
            Unavailable: the database is away, busy, or has ended the connection.
        """
        s = self._settings
        try:
            connection = await asyncpg.connect(
                **connect_arguments(s),
                server_settings={
                    "search_path": f'"{s.database_schema}"',
                    "application_name": f"msr {purpose} {s.worker}",
                    "lock_timeout": "30s",
                    "idle_in_transaction_session_timeout": "60s",
                    "tcp_keepalives_idle": "10",
                    "jit": "off",
                },
            )
            try:
                await use_instants(connection)
                yield connection
            finally:
                connection.terminate()
        except PASSING as error:
            raise Unavailable("the database is not available", headers={"Retry-After": "2"}) from error

    @property
    def _pools(self) -> tuple[asyncpg.Pool, ...]:
        return tuple({self._recording, self._replaying, self._building, self._serving, self._looking})

    async def end_holders(self, waiting_pid: int) -> None:
        """End the connections that a recorder has waited for too long: workers paused while they held a shard."""
        connection = await asyncpg.connect(**connect_arguments(self._settings))
        try:
            for row in await connection.fetch(_END_HOLDERS, waiting_pid):
                log.warning(
                    "ended a connection that held a shard for too long",
                    holder=row["application_name"], state=row["state"], seconds=self.lock_wait,
                )  # fmt: skip
        finally:
            await connection.close()

    def _say(self, what: str, error: BaseException) -> None:
        """Every shard tries; one line a second is enough for who reads them."""
        now = asyncio.get_running_loop().time()
        if now - self._said_at >= 1.0:
            self._said_at = now
            log.warning("the history database is not available, trying again", what=what, error=repr(error))

    async def retry(self, what: str, work: Callable[[], Awaitable[T]]) -> T:
        """Do some database work, again and again while the database is away (0.1 s to 3 s apart)."""
        pause = 0.1
        while True:
            try:
                return await work()
            except (*PASSING, RuntimeError) as error:
                if isinstance(error, RuntimeError) and _CLOSED not in str(error):
                    raise
                self._say(what, error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 3.0)


async def _leave_as_it_is(_: Connection) -> None:
    """The recorder changes nothing of its session, and the driver ends what was begun: a flush is a round trip less."""


_END_HOLDERS = """
SELECT application_name, state, pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid = ANY (pg_blocking_pids($1)) AND usename = current_user AND application_name LIKE 'msr recorder %'
"""
