"""Timelines of sessions and their bookmarks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from msr_stream import instants
from msr_stream.errors import NotFound
from msr_stream.paging import Page
from msr_stream.sessions import command as c
from msr_stream.sessions.session import Session
from msr_stream.store import queries
from msr_stream.store.database import Connection, Database

_sql = queries.load("sessions")


class Timelines:
    """What is read of timelines and bookmarks."""

    SORTABLE = ("created_at", "number", "kind", "created_by")

    def __init__(self, database: Database) -> None:
        self._database = database

    async def timeline(self, session_id: UUID, page: Page) -> tuple[list[dict[str, Any]], int]:
        """One page of a session's timeline, and its length."""
        async with self._database.serving() as connection:
            query = _sql["timeline"].format(order_by=page.order_by("number"))
            found = await connection.fetch(query, session_id, page.size, page.offset)
            total = found[0]["total"] if found else await connection.fetchval(_sql["timeline_length"], session_id)
        return [_event_view(row) for row in found], total

    async def bookmarks(self, session_id: UUID) -> list[dict[str, Any]]:
        """A session's bookmarks, in order."""
        async with self._database.serving() as connection:
            return [_bookmark_view(row) for row in await connection.fetch(_sql["bookmarks"], session_id)]

    async def bookmark(self, session_id: UUID, bookmark_id: UUID) -> dict[str, Any] | None:
        """One bookmark."""
        async with self._database.serving() as connection:
            row = await connection.fetchrow(_sql["bookmark"], bookmark_id, session_id)
        return _bookmark_view(row) if row is not None else None


async def bookmark(connection: Connection, session: Session, item: c.Command) -> dict[str, Any] | None:
    """Write the bookmark that a command makes, changes or removes, in its transaction; `None`: it is about none.

    Raises:
        NotFound: the bookmark to change or remove is not there.
    """
    deed = item.deed
    if isinstance(deed, c.Bookmark):
        row = await connection.fetchrow(
            _sql["add_bookmark"], item.id, session.id, session.tenant_id, deed.instant, deed.title, deed.note,
            item.at, item.username,
        )  # fmt: skip
        return _bookmark_view(row)
    if isinstance(deed, c.ChangeBookmark):
        given = deed.given()
        row = await connection.fetchrow(
            _sql["change_bookmark"], deed.bookmark_id, session.id,
            *(given.get(name) for name in ("instant", "title", "note", "rank")), item.at, item.username,
        )  # fmt: skip
        return _bookmark_view(_found(row, deed.bookmark_id))
    if isinstance(deed, c.RemoveBookmark):
        row = await connection.fetchrow(_sql["remove_bookmark"], deed.bookmark_id, session.id)
        return _bookmark_view(_found(row, deed.bookmark_id))
    return None


def _found(row: Any, bookmark_id: UUID) -> Any:
    if row is None:
        raise NotFound(f"there is no bookmark {bookmark_id} in this session")
    return row


def _event_view(row: Any) -> dict[str, Any]:
    return {
        "number": row["number"],
        "command_id": str(row["command_id"]),
        "kind": row["kind"],
        "detail": msgspec.json.decode(row["detail"]),
        "created_at": instants.render(row["created_at"]),
        "created_by": row["created_by"],
    }


def _bookmark_view(row: Any) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "session_id": str(row["session_id"]),
        "timestamp": instants.render(row["instant"]),
        "title": row["title"],
        "note": row["note"],
        "rank": row["rank"],
        "created_at": instants.render(row["created_at"]),
        "created_by": row["created_by"],
    }
