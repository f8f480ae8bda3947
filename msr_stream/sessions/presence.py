"""Who calls is seen: in the session that the call names, else in all active sessions of its user."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from uuid import UUID

from msr_stream import logs
from msr_stream.errors import BadRequest, Forbidden, Unavailable
from msr_stream.identity import Caller
from msr_stream.sessions.asking import Asker
from msr_stream.sessions.command import Seen, command
from msr_stream.sessions.owner import ended, missing
from msr_stream.store.sessions import Sessions

log = logs.get(__name__)

#: How many callers are remembered as seen a moment ago.
_MOST = 10_000


class Presence:
    """Marks sessions as seen, no more often than is needed.

    Attributes:
        pause: how often who stays on the line is to be marked, seconds.

    Args:
        store: the sessions.
        asker: the way to their owners.
        timeout: seconds after which a session not seen turns inactive.
    """

    def __init__(self, store: Sessions, asker: Asker, timeout: float) -> None:
        self._store, self._asker = store, asker
        self._seen: dict[Hashable, float] = {}
        self._own_pause, self.pause = min(1.0, timeout / 4), min(60.0, timeout / 4)

    async def named(self, caller: Caller, session_id: str) -> None:
        """A call names a session.

        Raises:
            BadRequest: that is no uuid.
            NotFound: there is no such session in the caller's tenant.
            Forbidden: it is somebody else's.
            Conflict: it has ended (`SESSION_TERMINATED`).
        """
        try:
            wanted = UUID(session_id)
        except ValueError as error:
            raise BadRequest(f"X-Session-ID: got {session_id!r}, wants a uuid") from error
        session = await self._store.read(wanted)
        if session is None or session.tenant_id != caller.tenant:
            raise missing(wanted)
        if session.user_id != caller.user_id:
            raise Forbidden("this session is somebody else's")
        if not session.active:
            raise ended(session)
        if self._due(wanted, self._own_pause):
            await self._asker.cast(command(caller, wanted, Seen()))

    async def unnamed(self, caller: Caller) -> None:
        """A replay call names no session: its user is seen, written at most once a minute; if it can be written."""
        key = caller.tenant, caller.user_id
        if self._due(key, self.pause):
            try:
                await self._store.seen_by_user(caller.user_id, caller.tenant)
            except Unavailable as error:  # the answer may come from a read replica
                log.warning("a user could not be noted as seen", user=caller.user_id, reason=str(error))

    def _due(self, key: Hashable, pause: float, clock: Callable[[], float] | None = None) -> bool:
        now = (clock or asyncio.get_running_loop().time)()
        if now - self._seen.get(key, -pause) < pause:
            return False
        if len(self._seen) >= _MOST:
            self._seen.clear()
        self._seen[key] = now
        return True
