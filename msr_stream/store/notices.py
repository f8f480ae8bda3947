"""Notifications of snapshots in the database, and what a complete snapshot leads to, exactly once."""

from __future__ import annotations

from typing import Any, NamedTuple

from msr_stream import logs
from msr_stream.recording.notices import Notice
from msr_stream.store import commands, queries
from msr_stream.store.database import Connection, Database

log = logs.get(__name__)
_sql = queries.load("notices")


class Whole(NamedTuple):
    """A table of which a snapshot has brought every row; `earlier`: something was recorded before it."""

    table: str
    topic: str
    shards: list[int]
    read_at: int
    earlier: bool


class Notices:
    """What is kept of notifications."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, notice: Notice, table: str | None) -> None:
        """Keep a notification of a source, once; with the table's name as it is recorded."""
        async with self._database.recording() as connection:
            await connection.execute(
                _sql["add_notice"], notice.id, notice.source, notice.kind, table, notice.rows, notice.told_at,
                notice.request,
            )  # fmt: skip

    async def complete(self) -> int:
        """See to completed snapshots whose rows are all recorded; returns how many those were.

        Entities that were there before and that a snapshot did not bring are ended by a command; coverage that waited
        for a snapshot begins. A table of which fewer rows came than were read is left as it is.
        """
        done = 0
        async with self._database.recording() as connection:
            for found in await connection.fetch(_sql["open_snapshots"]):
                done += await self._complete(connection, found)
            for found in await connection.fetch(_sql["open_pieces"]):
                done += await self._complete_pieces(connection, found)
        return done

    async def _complete(self, connection: Connection, found: Any) -> bool:
        tables = await connection.fetch(
            _sql["snapshot_tables"], found["source"], found["started_number"], found["notice_number"],
            found["created_at"],
        )  # fmt: skip
        if not all(table["recorded"] for table in tables):
            return False
        whole, missing = await self._whole(connection, found, tables)
        said = f"{len(whole)} tables whole"
        if missing:
            said += f"; not all rows recorded of {', '.join(missing)}"
            log.warning(
                "a snapshot is not recorded whole: what is gone is not seen", source=found["source"], tables=missing
            )
        async with connection.transaction():
            settled = await commands.hold(connection)
            if await connection.fetchval(_sql["close_snapshot"], found["notice_number"], said) is None:
                return False
            for table in whole:
                await connection.execute(_sql["cover"], table.shards, table.read_at)
                if table.earlier:
                    await commands.add_snapshot(connection, table.table, table.topic, table.read_at, settled)
        log.info("snapshot complete", source=found["source"], tables=[table.table for table in whole])
        return True

    async def _complete_pieces(self, connection: Connection, found: Any) -> bool:
        """See to an incremental snapshot: what was last recorded before it was asked for, and not since, is gone.

        What a row that is there has since is later than what was settled then: it was read, or changed meanwhile.
        """
        tables = await connection.fetch(
            _sql["pieced_tables"], found["request_id"], found["created_at"], found["asked_at"], found["settled_until"]
        )
        known = found["settled_until"] is not None
        if known and not all(table["recorded"] for table in tables):
            return False
        whole = [table for table in tables if known and not table["missing"]]
        said = (
            f"{len(whole)} of {len(tables)} tables whole"
            if known
            else "it ends nothing: not asked for here, or not alone"
        )
        async with connection.transaction():
            settled = await commands.hold(connection)
            if await connection.fetchval(_sql["close_snapshot"], found["notice_number"], said) is None:
                return False
            for table in whole:
                await commands.add_snapshot(
                    connection, table["table_name"], table["topic"], found["settled_until"] + 1, settled
                )
        log.info("incremental snapshot complete", source=found["source"], outcome=said)
        return True

    async def _whole(self, connection: Connection, found: Any, tables: list[Any]) -> tuple[list[Whole], list[str]]:
        """The tables all of whose rows are recorded, and the others.

        One transaction has read all tables at one time; where all were empty the capture's clock must do.
        """
        times: dict[str, int | None] = {}
        for table in tables:
            if table["rows_scanned"]:
                times[table["table_name"]] = await connection.fetchval(
                    _sql["snapshot_time"], table["shards"], table["table_name"], table["rows_scanned"],
                    found["started_at"], found["created_at"],
                )  # fmt: skip
        known = [time for time in times.values() if time is not None]
        whole, missing = [], []
        for table in tables:
            name, shards = table["table_name"], table["shards"]
            read_at = times.get(name) if table["rows_scanned"] else min(known, default=found["started_at"])
            if read_at is None:
                missing.append(name)
                continue
            earlier = await connection.fetchval(_sql["has_earlier"], shards, name, read_at)
            whole.append(Whole(name, table["topic"], list(shards), read_at, bool(earlier)))
        return whole, missing


async def requested(connection: Connection, request_id: str, source: str) -> None:
    """Keep that an incremental snapshot of a source is about to be asked for."""
    await connection.execute(_sql["requested"], request_id, source)
