"""Numbered SQL files, applied in order under a lock by whichever worker starts first.

`NNNN_name.sql` is for every dialect, `NNNN_name.<dialect>.sql` for one.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import NamedTuple

import asyncpg

from msr_stream import logs
from msr_stream.errors import MigrationError
from msr_stream.settings import Settings
from msr_stream.store.database import connect_arguments
from msr_stream.store.dialect import Dialect, pick
from msr_stream.store.reader import ensure_reader, let_read

log = logs.get(__name__)
_FILE = re.compile(r"(\d{4})_(\w+)(?:\.(\w+))?\.sql")


class Migration(NamedTuple):
    """One file."""

    number: int
    name: str
    sql: str


def migrations(dialect: str) -> list[Migration]:
    """All that apply to a dialect, in order."""
    found = []
    for file in files("msr_stream.store").joinpath("sql", "migrations").iterdir():
        match = _FILE.fullmatch(file.name)
        if match and match[3] in (None, dialect):
            found.append(Migration(int(match[1]), match[2], file.read_text()))
    return sorted(found)


async def migrate(settings: Settings) -> Dialect:
    """Bring the schema up to date, and let the reading role read what it may; returns the schema's dialect.

    Raises:
        MigrationError: the server is too old, the schema is newer than this code, a file failed, or the reading
            role is missing or has too many rights.
    """
    connection = await asyncpg.connect(**connect_arguments(settings))
    try:
        return await _migrate(connection, settings)
    except asyncpg.PostgresError as error:
        raise MigrationError(f"the history database could not be prepared: {error}") from error
    finally:
        await connection.close()


async def _migrate(connection: asyncpg.Connection, settings: Settings) -> Dialect:
    schema, reader = settings.database_schema, settings.database_reader_role
    if connection.get_server_version().major < 15:
        raise MigrationError(f"PostgreSQL {connection.get_server_version().major} is too old: 15 or newer is needed")
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('msr.migrate'), hashtext($1))", schema)
        await ensure_reader(connection, reader)
        await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        await connection.execute(f'SET LOCAL search_path TO "{schema}"')
        await connection.execute(_MODULE_INFO)
        version = int(await connection.fetchval("SELECT value FROM module_info WHERE key = 'schema_version'"))
        dialect = await pick(connection, version)
        todo = migrations(dialect.name)
        if version > todo[-1].number:
            raise MigrationError(
                f"schema {schema} is at version {version}, this program knows up to {todo[-1].number}: "
                "use the newer program"
            )
        for migration in todo:
            if migration.number > version:
                await connection.execute(migration.sql)
                await connection.execute(
                    "UPDATE module_info SET value = $1 WHERE key = 'schema_version'", str(migration.number)
                )
                log.info("schema migrated", schema=schema, number=migration.number, name=migration.name)
        await let_read(connection, reader)
        await dialect.set_up(connection, settings)
    return dialect


_MODULE_INFO = """
CREATE TABLE IF NOT EXISTS module_info (key text PRIMARY KEY, value text NOT NULL, comment text);
COMMENT ON TABLE module_info IS 'Versions of schema and application';
COMMENT ON COLUMN module_info.key IS 'What it is the version of';
COMMENT ON COLUMN module_info.value IS 'The version';
COMMENT ON COLUMN module_info.comment IS 'What that means';
INSERT INTO module_info VALUES ('schema_version', '0', 'number of the newest migration applied')
ON CONFLICT DO NOTHING
"""
