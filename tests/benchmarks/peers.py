"""What answers are measured beside in the same database: plain COPY of the same rows, the way without keyframes."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msr_stream.store.database import Connection

_LAST = """SELECT DISTINCT ON (table_name, entity_id) entity_id, entity_state, op, event_timestamp, table_name
    FROM cdc_event WHERE event_timestamp <= $1 ORDER BY table_name, entity_id, event_timestamp DESC, position DESC"""


class Peers:
    """The other ways, each time it is measured.

    Attributes:
        copies: seconds of plain COPY to a file.
        todays: seconds of today's way.
    """

    def __init__(self, connection: Connection, file: Path) -> None:
        self._connection, self._file = connection, file
        self.copies: list[float] = []
        self.todays: list[float] = []

    async def copy(self) -> None:
        """Plain COPY to a file of the rows that a state has."""
        begun = time.perf_counter()
        await self._connection.copy_from_table("bench_rows", output=str(self._file))
        self.copies.append(time.perf_counter() - begun)

    async def todays_way(self, at: int) -> None:
        """The last event of each entity, all rows fetched, one array serialised."""
        begun = time.perf_counter()
        found = await self._connection.fetch(_LAST, at, timeout=600)
        rows = [{**row, "entity_state": json.loads(row["entity_state"])} for row in found if row["op"] != "d"]
        json.dumps({"data": rows}).encode()
        self.todays.append(time.perf_counter() - begun)


@asynccontextmanager
async def peers(connection: Connection, at: int) -> AsyncIterator[Peers]:
    """The peers, with the rows of the state at an instant in a table of their own."""
    await connection.execute("SET enable_seqscan TO on")
    await connection.execute(f"CREATE TABLE bench_rows AS SELECT * FROM ({_LAST}) e WHERE op <> 'd'", at, timeout=600)
    await connection.execute("VACUUM (ANALYZE) bench_rows", timeout=600)
    with tempfile.TemporaryDirectory() as folder:
        yield Peers(connection, Path(folder) / "rows")


async def rows_kept(connection: Connection) -> float:
    """Rows of events and keyframes, for each event."""
    query = "SELECT (SELECT sum(keyframe_rows) FROM keyframe_head)::float8 / (SELECT sum(events) FROM shard)::float8"
    return 1 + float(await connection.fetchval(query))
