"""The read replica that answers are read from, if one is named (DATABASE_READ_HOST): is it there, and how far behind.

Nothing here makes an answer right: each is bounded by what the replica's own rows say, so it never goes beyond what was
replayed. A replica that is away is not stood in for by the history database, which it was named to spare.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import asyncpg

from msr_stream import metrics
from msr_stream.errors import StorageError, Unavailable
from msr_stream.settings import Settings
from msr_stream.store import queries
from msr_stream.store.connecting import Connection, connect_arguments, read_arguments
from msr_stream.store.database import Database
from msr_stream.store.migrations import migrations

_sql = queries.load("replica")
_NEWEST = migrations("postgres")[-1].number


class Found(NamedTuple):
    """What a look at the replica has shown.

    Attributes:
        trouble: why answers cannot be read from it; `None`: they can.
        itself: whether it is the history database itself.
        lag: how old the newest transaction is that it has replayed, seconds; 0: it has all; infinite: not known.
    """

    trouble: str | None
    itself: bool
    lag: float


class Replica:
    """A worker's view of the replica.

    Attributes:
        named: whether there is one.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self.named = database.replicated
        self._settings, self._database = settings, database

    async def check(self) -> str:
        """`ok`, or why answers cannot be read from it, within two seconds or so."""
        try:
            async with _connected(self._settings, read_arguments(self._settings) | {"timeout": 2}) as connection:
                return await _behind_schema(connection) or "ok"
        except StorageError as error:
            return str(error)

    async def measure(self) -> None:
        """Tell how far it is behind; infinitely, while it is away."""
        if not self.named:
            return
        lag: float | None = None
        try:
            async with self._database.serving() as primary:
                written = await primary.fetchval(_sql["written"])
            async with self._database.looking() as replica:
                lag = await replica.fetchval(_sql["lag"], written)
        except Unavailable:
            pass
        metrics.REPLICA_LAG.set(math.inf if lag is None else lag)


async def inspect_replica(settings: Settings) -> Found:
    """Look once, at both servers.

    Raises:
        StorageError: one of them cannot be reached.
    """
    async with (
        _connected(settings, connect_arguments(settings)) as primary,
        _connected(settings, read_arguments(settings)) as replica,
    ):
        first, second = await primary.fetchrow(_sql["identity"]), await replica.fetchrow(_sql["identity"])
        itself = first["started_at"] == second["started_at"]
        if first["cluster"] != second["cluster"]:
            return Found("is no replica of the history database: it is another cluster", itself=False, lag=math.inf)
        if not second["replays"] and not itself:
            return Found("replays nothing: it was promoted", itself=False, lag=math.inf)
        lag = await replica.fetchval(_sql["lag"], await primary.fetchval(_sql["written"]))
        return Found(await _behind_schema(replica), itself, math.inf if lag is None else lag)


async def _behind_schema(connection: Connection) -> str | None:
    """Why the schema is not as this program needs it, if it is not."""
    try:
        version = await connection.fetchval(_sql["schema_version"])
    except asyncpg.UndefinedTableError:
        version = None
    if version is None:
        return "has not replayed the schema yet"
    return f"has replayed the schema up to version {version}, not {_NEWEST}" if version < _NEWEST else None


@asynccontextmanager
async def _connected(settings: Settings, arguments: dict[str, Any]) -> AsyncIterator[Connection]:
    """A connection of its own.

    Raises:
        StorageError: the server cannot be reached, or does not answer.
    """
    try:
        connection = await asyncpg.connect(
            **arguments, command_timeout=5, server_settings={"search_path": f'"{settings.database_schema}"'}
        )
        try:
            yield connection
        finally:
            await connection.close(timeout=1)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StorageError(str(error) or type(error).__name__) from error
