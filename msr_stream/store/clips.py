"""Clips that were imported: put into the database, found, deleted."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson

from msr_stream import instants
from msr_stream.clips.bounds import ClipBounds
from msr_stream.clips.clip import Tally
from msr_stream.clips.reading import Clip
from msr_stream.errors import ClipError, NotFound, StorageError
from msr_stream.paging import Page
from msr_stream.store import queries
from msr_stream.store.audit import Actor, note
from msr_stream.store.database import Connection, Database

_sql = queries.load("clips")
_COLUMNS = (
    "clip_id", "position", "event_timestamp", "source_timestamp", "op", "table_name", "entity_id", "tenant_id",
    "entity_state", "unavailable_fields",
)  # fmt: skip


@dataclass(frozen=True)
class KeptClip:
    """A clip in the database.

    Attributes:
        clip_id: its id.
        tenant: whose it is.
        start: its first instant.
        end: its last one.
        incomplete: tables of which it may not have all.
    """

    clip_id: uuid.UUID
    tenant: str
    start: int
    end: int
    incomplete: tuple[str, ...]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> KeptClip:
        """The clip that a row of the table tells of."""
        window = row["start_timestamp"], row["end_timestamp"]
        return cls(row["clip_id"], row["tenant_id"], *window, tuple(row["incomplete"]))

    @property
    def bounds(self) -> ClipBounds:
        """Between what a replay of it may move."""
        return ClipBounds.between(self.start, self.end)


class Clips:
    """The clips of all tenants."""

    SORTABLE = ("created_at", "name", "exported_at", "state_rows", "event_rows")

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, clip: Clip, name: str, tenant: str, actor: Actor) -> uuid.UUID:
        """Import a clip, all of it or nothing; returns its id.

        Args:
            clip: the open file.
            name: for people to read.
            tenant: whose it will be.
            actor: who imports it.

        Raises:
            ClipError: something in the file is not as it must be.
            StorageError: the history database is older than clips.
        """
        clip_id = uuid.uuid4()
        async with self._database.dedicated("clip") as connection:
            try:
                async with connection.transaction():
                    await self._put(connection, clip_id, clip, name, tenant, actor)
                await connection.execute("ANALYZE clip_event")
            except asyncpg.UndefinedTableError as error:
                raise StorageError("the history database has no place for clips: start a worker first") from error
            except (asyncpg.DataError, asyncpg.ProgramLimitExceededError) as error:
                raise ClipError(f"the database refuses something in it: {error}") from error
        return clip_id

    async def _put(
        self, connection: Connection, clip_id: uuid.UUID, clip: Clip, name: str, tenant: str, actor: Actor
    ) -> None:
        about, tally = clip.header, Tally()
        await connection.execute(
            _sql["add"], clip_id, name, tenant, clip.start, clip.end, clip.exported_at, about.incomplete,
            orjson.dumps(about.filters).decode(), actor.caller.username,
        )  # fmt: skip
        await connection.copy_records_to_table(
            "clip_event", columns=_COLUMNS, records=_records(clip_id, clip, tenant, tally)
        )
        if (number := await connection.fetchval(_sql["twice"], clip_id, clip.start)) is not None:
            raise ClipError(f"{clip.place(number)}: an entity that is in the state already")
        await connection.execute(_sql["count"], clip_id, tally.state, tally.events)
        rows = tally.ending.count
        await note(connection, actor, "clip.import", str(clip_id), tenant=tenant, after={"name": name, "rows": rows})

    async def find(self, clip_id: uuid.UUID, tenant: str) -> KeptClip:
        """A tenant's clip.

        Raises:
            NotFound: the tenant has none of this id.
        """
        async with self._database.serving() as connection:
            row = await connection.fetchrow(_sql["find"], clip_id, tenant)
        if row is None:
            raise NotFound(f"there is no clip {clip_id}")
        return KeptClip.of(row)

    async def page(self, page: Page, tenant: str | None) -> tuple[list[dict[str, Any]], int]:
        """One page of a tenant's clips, or of all; and how many there are."""
        async with self._database.serving() as connection:
            found = await connection.fetch(
                _sql["page"].format(order_by=page.order_by("clip_id")), tenant, page.size, page.offset
            )
            total = found[0]["total"] if found else await connection.fetchval(_sql["total"], tenant)
        return [_view(row) for row in found], total

    async def delete(self, clip_id: uuid.UUID, tenant: str | None, actor: Actor) -> None:
        """Delete a tenant's clip, or anybody's.

        Raises:
            NotFound: there is none of this id that the tenant may see.
        """
        async with self._database.dedicated("clip") as connection, connection.transaction():
            row = await connection.fetchrow(_sql["delete"], clip_id, tenant)
            if row is None:
                raise NotFound(f"there is no clip {clip_id}")
            about = {"name": row["name"]}
            await note(connection, actor, "clip.delete", str(clip_id), tenant=row["tenant_id"], before=about)


def _records(clip_id: uuid.UUID, clip: Clip, tenant: str, tally: Tally) -> Iterator[tuple[Any, ...]]:
    """The rows to be written, as they are read."""
    for position, row in enumerate(clip.rows(), 1):
        tally.add(row.part, 1)
        yield (
            clip_id, position, row.event_timestamp, row.source_timestamp, row.op, row.table_name, row.entity_id,
            tenant, row.state, row.unavailable_fields,
        )  # fmt: skip


def _view(row: Mapping[str, Any]) -> dict[str, Any]:
    times = {
        "start": "start_timestamp", "end": "end_timestamp", "exported_at": "exported_at", "created_at": "created_at",
    }  # fmt: skip
    plain = {name: row[name] for name in ("name", "tenant_id", "incomplete", "state_rows", "event_rows", "created_by")}
    return {
        "id": str(row["clip_id"]),
        **plain,
        **{name: instants.render(row[column]) for name, column in times.items()},
        "filters": orjson.loads(row["filters"]),
    }
