"""Sessions in the database: every command one transaction, reads on any worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from msr_stream import instants
from msr_stream.errors import CommandApplied, Conflict, NotFound, SessionMoved
from msr_stream.paging import Page
from msr_stream.sessions import command as c
from msr_stream.sessions.changes import entry
from msr_stream.sessions.session import ACTIVE, Session, from_row
from msr_stream.store import audit, queries
from msr_stream.store.database import Connection, Database
from msr_stream.store.timelines import bookmark

_sql = queries.load("sessions")


class Sessions:
    """What is written and read of sessions.

    Args:
        timeout: seconds after which a session not seen turns inactive.
    """

    SORTABLE = ("created_at", "updated_at", "last_seen_at", "status", "user_id", "username", "tenant_id", "id")

    def __init__(self, database: Database, timeout: float, clock: Callable[[], int] = instants.now) -> None:
        self._database, self._timeout, self._clock = database, timeout, clock

    async def create(self, item: c.Command) -> Session:
        """Begin a session, if there is a place left; the same command again gives the same session.

        Raises:
            Conflict: as many sessions are active as may be.
        """
        async with self._database.serving() as connection, connection.transaction():
            await connection.execute(_sql["lock_places"])
            if await connection.fetchval(_sql["applied"], item.id):
                return from_row(await connection.fetchrow(_sql["read"], item.session_id))
            await self._take_place(connection)
            row = await connection.fetchrow(
                _sql["insert"], item.session_id, item.user_id, item.username, item.tenant_id, "{}", item.at
            )
            await self._add_event(connection, item, 1)
            return from_row(row)

    async def resume(self, session: Session, item: c.Command) -> Session:
        """Let a session that was not seen for too long go on, if there is a place left.

        Raises:
            Conflict: it was terminated, is active, or there is no place.
            SessionMoved: it has changed.
        """
        if session.active or session.ended_reason != "unseen":
            what = "is active" if session.active else "was terminated"
            raise Conflict(f"the session {what}", code="CONFLICT" if session.active else "SESSION_TERMINATED")
        async with self._database.serving() as connection, connection.transaction():
            await connection.execute(_sql["lock_places"])
            await self._take_place(connection)
            after = msgspec.structs.replace(session, status=ACTIVE, ended_reason=None)
            return await self._write(connection, after, item)

    async def change(self, before: Session, after: Session, item: c.Command) -> tuple[Session, Any]:
        """Write what a command makes of a session, with its timeline; and the bookmark it is about, if any.

        Raises:
            SessionMoved: the session is not the one that was read.
            CommandApplied: the command was applied before.
            NotFound: the bookmark to change or remove is not there.
        """
        try:
            async with self._database.serving() as connection, connection.transaction():
                written = await self._write(connection, after, item)
                return written, await bookmark(connection, before, item)
        except asyncpg.UniqueViolationError as error:
            raise CommandApplied from error

    async def flush(self, session: Session, seen: int | None, tick: tuple[int, int] | None) -> Session | None:
        """Write what is buffered; `None`: the session is gone."""
        playhead, ticked_at = tick or (None, None)
        playback = msgspec.structs.replace(session.playback, playhead=playhead) if tick else session.playback
        async with self._database.serving() as connection:
            row = await connection.fetchrow(
                _sql["flush"], session.id, seen, session.occ_lock, ticked_at, msgspec.json.encode(playback).decode()
            )
        return from_row(row) if row is not None else None

    async def read(self, session_id: UUID) -> Session | None:
        """One session."""
        async with self._database.serving() as connection:
            row = await connection.fetchrow(_sql["read"], session_id)
        return from_row(row) if row is not None else None

    async def applied(self, command_id: UUID) -> bool:
        """Whether a command was applied."""
        async with self._database.serving() as connection:
            return bool(await connection.fetchval(_sql["applied"], command_id))

    async def end_unseen(self) -> list[UUID]:
        """Turn sessions not seen for too long inactive; returns them."""
        async with self._database.serving() as connection, connection.transaction():
            await connection.execute(_sql["lock_places"])
            return await self._end_unseen(connection)

    async def seen_by_user(self, user_id: str, tenant_id: str) -> None:
        """A user was seen who named no session."""
        async with self._database.serving() as connection:
            await connection.execute(_sql["seen_by_user"], user_id, tenant_id, self._clock())

    async def terminate(self, session_ids: Sequence[UUID], tenant: str | None, actor: audit.Actor) -> None:
        """Terminate sessions, all or none.

        Args:
            session_ids: which; those that have ended already stay as they are.
            tenant: the tenant whose sessions they must be; `None`: any.
            actor: who does it.

        Raises:
            NotFound: some are not there; they are named.
        """
        async with self._database.serving() as connection, connection.transaction():
            known = {row["id"]: row["tenant_id"] for row in await connection.fetch(_sql["known"], session_ids, tenant)}
            if unknown := [str(one) for one in session_ids if one not in known]:
                details = [{"session_id": one} for one in unknown]
                raise NotFound(f"there is no session {', '.join(unknown)}", details=details)
            ended = await connection.fetch(_sql["terminate"], session_ids, self._clock(), actor.caller.username)
            for one in ended:
                session_id = one["session_id"]
                await audit.note(connection, actor, "session.terminate", str(session_id), tenant=known[session_id])

    async def page(
        self, page: Page, *, tenant: str | None = None, user_id: str | None = None, status: str | None = None
    ) -> tuple[list[Session], int]:
        """One page of sessions, and how many there are in all."""
        chosen = (tenant, user_id, status)
        async with self._database.serving() as connection:
            query = _sql["page"].format(order_by=page.order_by("id"))
            found = await connection.fetch(query, *chosen, page.size, page.offset)
            total = found[0]["total"] if found else await connection.fetchval(_sql["count"], *chosen)
        return [from_row(row) for row in found], total

    async def active(self, tenant: str | None) -> int:
        """How many sessions are active, of a tenant or in all."""
        async with self._database.serving() as connection:
            count: int = await connection.fetchval(_sql["count"], tenant, None, ACTIVE)
        return count

    async def some(self, session_ids: Sequence[UUID]) -> list[Session]:
        """Those of some sessions that are there."""
        async with self._database.serving() as connection:
            return [from_row(row) for row in await connection.fetch(_sql["changed_since"], session_ids)]

    async def _take_place(self, connection: Connection) -> None:
        await self._end_unseen(connection)
        places = await connection.fetchrow(_sql["places"])
        if places["taken"] >= places["most"]:
            raise Conflict(
                f"{places['taken']} sessions are active, {places['most']} may be: terminate one first",
                code="SESSION_LIMIT_REACHED",
                details=[{"active_sessions": places["taken"], "max_active_sessions": places["most"]}],
            )

    async def _end_unseen(self, connection: Connection) -> list[UUID]:
        found = await connection.fetch(_sql["end_unseen"], self._timeout, self._clock())
        return [row["session_id"] for row in found]

    async def _write(self, connection: Connection, after: Session, item: c.Command) -> Session:
        row = await connection.fetchrow(
            _sql["change"], after.id, after.occ_lock, after.status, after.ended_reason,
            msgspec.json.encode(after.playback).decode(), after.ticked_at, item.at, item.username,
        )  # fmt: skip
        if row is None:
            raise SessionMoved
        await self._add_event(connection, item, row["occ_lock"])
        return from_row(row)

    @staticmethod
    async def _add_event(connection: Connection, item: c.Command, number: int) -> None:
        kind, detail = entry(item)
        await connection.execute(
            _sql["add_event"], item.session_id, number, item.id, kind,
            msgspec.json.encode(detail).decode(), item.at, item.username,
        )  # fmt: skip
