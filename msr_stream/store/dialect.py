"""The two dialects of the history's layout: plain PostgreSQL and TimescaleDB (design, section 5).

What differs is in the migrations named after a dialect, and here. On plain PostgreSQL the history is partitioned by
`ensure_partition`; on TimescaleDB it lies in hypertables whose old chunks are compressed into its columnstore.
Everything else, reading and writing among it, is the same SQL.
"""

from __future__ import annotations

from datetime import timedelta

import asyncpg

from msr_stream import logs
from msr_stream.configuration import Configuration
from msr_stream.settings import Settings
from msr_stream.store import queries
from msr_stream.store.database import Connection, connect_arguments

log = logs.get(__name__)
_sql = queries.load("dialect")
#: The oldest TimescaleDB whose columnstore is used here.
OLDEST = (2, 20)
#: Longest that compressing one chunk may take, seconds.
_LONGEST = 3600.0


class Dialect:
    """Plain PostgreSQL: nothing to do beside the migrations.

    Attributes:
        name: as in the names of migrations.
    """

    name = "postgres"

    async def set_up(self, connection: Connection, settings: Settings) -> None:
        """Follow the settings, and make sure that the reading role has no way around the views."""

    async def compress(self, settings: Settings) -> list[str]:
        """Compress what is old; returns the chunks."""
        return []


class Timescale(Dialect):
    """TimescaleDB."""

    name = "timescale"

    async def set_up(self, connection: Connection, settings: Settings) -> None:
        """Set how much time a chunk holds, and look for rights on chunks, which lie in the extension's own schema.

        Raises:
            asyncpg.PostgresError: the reading role has a right on one.
        """
        await connection.execute(_sql["set_chunk_interval"], timedelta(seconds=settings.chunk_interval))
        await connection.execute(_sql["let_not_read_chunks"], settings.database_reader_role)

    async def compress(self, settings: Settings) -> list[str]:
        """Compress chunks older than `columnstore_compression_age_days`, each in a transaction of its own.

        Ours and no policy of the extension's: what an administrator sets holds from the next call on, and a chunk waits
        until no event can come to it any more.
        """
        done: list[str] = []
        connection = await asyncpg.connect(
            **connect_arguments(settings), server_settings={"search_path": f'"{settings.database_schema}"'}
        )
        try:
            if not await connection.fetchval(_sql["begin_compressing"]):
                return done
            days = (
                await connection.fetchval(_sql["compression_age"]) or Configuration().columnstore_compression_age_days
            )
            while (chunk := await self._compress_next(connection, timedelta(days=days))) is not None:
                done.append(chunk)
                log.info("history compressed", chunk=chunk, older_than_days=days)
        finally:
            await connection.close(timeout=5)
        return done

    @staticmethod
    async def _compress_next(connection: Connection, age: timedelta) -> str | None:
        async with connection.transaction():
            chunk: str | None = await connection.fetchval(_sql["compress_next"], age, timeout=_LONGEST)
        return chunk


async def pick(connection: Connection, version: int) -> Dialect:
    """The dialect of a schema: the one it was made in, for a new one TimescaleDB if that can be had.

    Args:
        connection: in a transaction, its search path the schema alone.
        version: the schema's; 0 is a new one.
    """
    recorded = await connection.fetchval(_sql["recorded"])
    if recorded is None:
        dialect = Timescale() if version == 0 and await _has_timescale(connection) else Dialect()
        await connection.execute(_sql["record"], dialect.name)
        log.info("history's dialect picked", dialect=dialect.name)
        return dialect
    return Timescale() if recorded == Timescale.name else Dialect()


async def _has_timescale(connection: Connection) -> bool:
    """Whether TimescaleDB is there as it is needed; makes it be there if this user may."""
    found = await connection.fetchrow(_sql["extension"])
    if found is None:
        return False
    why_not = _unusable(found["installed_version"] or found["default_version"], found["loaded"], found["license"])
    if why_not is None and found["installed_version"] is None:
        try:
            async with connection.transaction():
                await connection.execute(_sql["create_extension"])
        except asyncpg.PostgresError as error:
            why_not = f"it is not created in this database, and this user may not: {error}"
    if why_not is not None:
        log.warning("TimescaleDB is there, the history is made in plain PostgreSQL", reason=why_not)
    return why_not is None


def _unusable(version: str, loaded: bool, license_name: str | None) -> str | None:
    """Why an extension cannot be used, if it cannot."""
    if tuple(int(part) for part in version.partition("-")[0].split(".")[:2]) < OLDEST:
        return f"version {version} is older than {OLDEST[0]}.{OLDEST[1]}"
    if not loaded:
        return "the server does not load it (shared_preload_libraries)"
    if license_name == "apache":
        return "its Apache edition has no columnstore"
    return None
