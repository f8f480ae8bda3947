"""A look at the history database from outside: is it there, may we, is it ours; nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from msr_stream import instants
from msr_stream.errors import StorageError
from msr_stream.instants import SECOND
from msr_stream.settings import Settings
from msr_stream.store import queries
from msr_stream.store.database import connect_arguments, use_instants
from msr_stream.store.migrations import migrations

_sql = queries.load("inspection")


@dataclass(frozen=True)
class Inspection:
    """What was found.

    Attributes:
        version: the server's, in words.
        major: its major version.
        timescaledb: the extension's version, if it is there.
        standby: whether it takes no writes.
        may_create: whether this role may create tables in the schema, or the schema.
        tables_of_others: tables in the schema that this role does not own.
        schema_version: the newest migration applied; `None`: not prepared yet.
        newest: the newest migration that this program knows.
        ahead: how far the server's clock is ahead of ours, seconds.
    """

    version: str
    major: int
    timescaledb: str | None
    standby: bool
    may_create: bool
    tables_of_others: int
    schema_version: int | None
    newest: int
    ahead: float


async def inspect(settings: Settings) -> Inspection:
    """Look once.

    Raises:
        StorageError: it cannot be reached, or refuses to answer.
    """
    try:
        connection = await asyncpg.connect(
            **connect_arguments(settings), server_settings={"search_path": f'"{settings.database_schema}"'}
        )
        try:
            return await _inspect(connection, settings.database_schema)
        finally:
            await connection.close(timeout=5)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StorageError(str(error) or type(error).__name__) from error


async def _inspect(connection: asyncpg.Connection, schema: str) -> Inspection:
    await use_instants(connection)
    await connection.fetchrow(_sql["server"], schema)  # so that the answer below comes at once
    before = instants.now()
    row = await connection.fetchrow(_sql["server"], schema)
    after = instants.now()
    return Inspection(
        version=row["version"],
        major=row["major"],
        timescaledb=row["timescaledb"],
        standby=row["standby"],
        may_create=row["may_create"],
        tables_of_others=row["tables_of_others"],
        schema_version=await connection.fetchval(_sql["schema_version"]) if row["has_versions"] else None,
        newest=migrations("postgres")[-1].number,
        ahead=(row["clock"] - (before + after) // 2) / SECOND,
    )
