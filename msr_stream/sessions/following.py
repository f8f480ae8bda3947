"""Who follows a session sees its playback change: one look at the database for all followers of a worker."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from msr_stream import logs
from msr_stream.errors import RequestError
from msr_stream.sessions.session import Session
from msr_stream.store.sessions import Sessions

log = logs.get(__name__)

#: Seconds between two looks while somebody follows.
_PAUSE = 0.25


class Following:
    """The followers of one worker."""

    def __init__(self, store: Sessions) -> None:
        self._store = store
        self._queues: defaultdict[UUID, set[asyncio.Queue[Session]]] = defaultdict(set)
        self._last: dict[UUID, Session] = {}
        self._looking: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def follow(self, session_id: UUID) -> AsyncIterator[asyncio.Queue[Session]]:
        """A queue that gets the session as it changes; a follower too slow to read gets the newest only."""
        queue: asyncio.Queue[Session] = asyncio.Queue(maxsize=1)
        self._queues[session_id].add(queue)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_on(), name="sessions followed")
        try:
            yield queue
        finally:
            self._queues[session_id].discard(queue)
            if not self._queues[session_id]:
                del self._queues[session_id]
                self._last.pop(session_id, None)

    async def _look_on(self) -> None:
        while self._queues:
            try:
                for session in await self._store.some(list(self._queues)):
                    self._tell(session)
            except RequestError as error:
                log.warning("sessions followed cannot be read, trying again", error=str(error))
            await asyncio.sleep(_PAUSE)

    def _tell(self, session: Session) -> None:
        before = self._last.get(session.id)
        if before is not None and (before.occ_lock, before.ticked_at) == (session.occ_lock, session.ticked_at):
            return
        self._last[session.id] = session
        for queue in self._queues.get(session.id, ()):
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(session)
