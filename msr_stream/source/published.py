"""Which tables a source publishes: only their changes reach the capture."""

from __future__ import annotations

from typing import Any

from msr_stream.source.queries import load


async def published_tables(connection: Any) -> list[tuple[str, str]]:
    """Schema and name of every table in any publication of the connection's database.

    Args:
        connection: asyncpg, to the source database.
    """
    rows = await connection.fetch(load("survey")["published"].sql)
    return [(row["schemaname"], row["tablename"]) for row in rows]
