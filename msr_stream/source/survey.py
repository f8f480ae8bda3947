"""Reading a source, and running a plan on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from msr_stream.errors import SourceError
from msr_stream.source.prepare import Plan, Server, Step, Wish, around, installation, publishes
from msr_stream.source.queries import load

# A run is repeated while something is missing still, such as a schema created meanwhile; more often than
# this, somebody undoes what is done.
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that cannot be captured, or not quite, although nothing is missing."""

    subject: str
    text: str
    wrong: bool


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Any]:
    """A connection whose names are the catalog's, whatever the application has called its own.

    Args:
        dsn: libpq URI.

    Raises:
        SourceError: the database cannot be reached, or it refused something on the way.
    """
    settings = {"application_name": "msr source", "search_path": "pg_catalog, pg_temp"}
    try:
        connection = await asyncpg.connect(dsn, timeout=10, server_settings=settings)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise SourceError(f"The source database cannot be reached: {error or type(error).__name__}") from error
    try:
        yield connection
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise SourceError(f"The source database said: {error}") from error
    finally:
        await connection.close(timeout=5)


async def read_server(connection: Any, wish: Wish) -> Server:
    """The facts that decide whether this source is touched."""
    row = await connection.fetchrow(load("survey")["server"].sql, wish.publication, wish.capture_role)
    return Server(**dict(row))


async def read_wish(connection: Any, publication: str) -> Wish | None:
    """What the event triggers do for this publication; None if nothing, or if this role may not ask."""
    try:
        row = await connection.fetchrow(load("survey")["wish"].sql, publication)
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError, asyncpg.InsufficientPrivilegeError):
        return None
    if row is None:
        return None
    schemas = row["schemas"]
    return Wish(publication, row["capture_role"], None if schemas is None else tuple(schemas))


async def read_gaps(connection: Any, wish: Wish) -> tuple[Step, ...]:
    """What is missing before every table is captured, in the order to run."""
    schemas = None if wish.schemas is None else list(wish.schemas)
    rows = await connection.fetch(load("gaps")["gaps"].sql, wish.publication, wish.capture_role, schemas)
    return tuple(Step(row["explanation"], row["statement"], row["kind"]) for row in rows)


async def read_remarks(connection: Any, wish: Wish) -> tuple[Remark, ...]:
    """What cannot be captured although nothing is missing."""
    rows = await connection.fetch(load("survey")["remarks"].sql, wish.publication, wish.capture_role)
    return tuple(Remark(row["subject"], row["remark"], row["wrong"]) for row in rows)


async def make_plan(connection: Any, server: Server, wish: Wish) -> Plan:
    """Everything that is missing at this moment.

    Raises:
        SourceError: a schema that was asked for does not exist.
    """
    if wish.schemas is not None:
        rows = await connection.fetch(load("survey")["missing_schemas"].sql, list(wish.schemas))
        if rows:
            raise SourceError(f"There is no schema {', '.join(row['name'] for row in rows)}")
    known = await read_wish(connection, wish.publication)
    return Plan(installation(server, wish, known), await read_gaps(connection, wish))


async def carry_out(connection: Any, server: Server, wish: Wish) -> tuple[Step, ...]:
    """Prepare the source; each transaction is done whole or not at all.

    Returns:
        The statements that were executed, without those that only go around them.

    Raises:
        SourceError: a table is locked, or the plan did not close every gap.
    """
    done: list[Step] = []
    for _ in range(ROUNDS):
        plan = await make_plan(connection, server, wish)
        if not plan:
            return tuple(done)
        try:
            done += await _install(connection, plan)
            done += await _publish(connection, plan, wish)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            raise SourceError(f"No table was changed, {error}: try again when it has ended") from error
        server = await read_server(connection, wish)
    plan = await make_plan(connection, server, wish)
    if plan:
        missing = (*plan.install, *plan.publish)[0]
        raise SourceError(f"Still missing after {ROUNDS} rounds, somebody undoes it: {missing.statement}")
    return tuple(done)


async def _install(connection: Any, plan: Plan) -> tuple[Step, ...]:
    if plan.install:
        async with connection.transaction():
            await _execute(connection, (*around(), *plan.install))
    return plan.install


async def _publish(connection: Any, plan: Plan, wish: Wish) -> tuple[Step, ...]:
    """What is missing is read again after the wait: what was waited for may be tables without a key."""
    if not plan.publish:
        return ()
    async with connection.transaction():
        await _execute(connection, around(wait=publishes(plan)))
        gaps = await read_gaps(connection, wish)
        await _execute(connection, gaps)
    return gaps


async def _execute(connection: Any, steps: Iterable[Step]) -> None:
    for step in steps:
        await connection.execute(step.statement)
