"""The role that answers read as: it sees nothing but one tenant's rows through views (design, invariant 16)."""

from __future__ import annotations

import asyncpg

from msr_stream.errors import MigrationError
from msr_stream.store import queries
from msr_stream.store.database import Connection

_sql = queries.load("reader")


async def ensure_reader(connection: Connection, role: str) -> None:
    """Make the role, and let this user take it, if that is still to be done.

    Raises:
        MigrationError: this user may not; the message has the statement that someone who may has to run.
    """
    # Since PostgreSQL 16 a member may take a role only if it was granted so (SET); whoever makes one is not.
    right = "SET" if connection.get_server_version().major >= 16 else "MEMBER"
    needed = await connection.fetchval(_sql["still_needed"], role, right)
    if needed is None:
        return
    try:
        async with connection.transaction():
            await connection.execute(needed)
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationError(
            f"answers are read as the role {role} (DATABASE_READER_ROLE), which this user may not set up; "
            f"let an administrator of the database run: {needed};"
        ) from error
    except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):  # roles are shared: another schema's worker
        await ensure_reader(connection, role)


async def let_read(connection: Connection, role: str) -> None:
    """Give the role its rights in the current schema.

    Raises:
        asyncpg.PostgresError: it has more rights than it must have.
    """
    await connection.execute(_sql["let_read"], role)


async def read_as(connection: Connection, role: str, tenant: str) -> None:
    """Be that role for one tenant until the transaction ends."""
    await connection.execute(f'SET LOCAL ROLE "{role}"')
    await connection.fetchval(_sql["set_tenant"], tenant)
