"""Applies commands to the sessions of one owner: the database is the truth, its copy spares reading it.

What must hold is committed before the answer; only ticks of the playhead and "seen" are buffered. A command that
arrives twice is applied once: its id is unique in the timeline (`session_event`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from msr_stream import instants, logs
from msr_stream.errors import CommandApplied, Conflict, Forbidden, NotFound, RequestError, SessionMoved
from msr_stream.instants import SECOND
from msr_stream.sessions import answer
from msr_stream.sessions import command as c
from msr_stream.sessions.changes import changed
from msr_stream.sessions.session import Session
from msr_stream.store.sessions import Sessions
from msr_stream.store.timelines import Timelines

log = logs.get(__name__)

#: Answers kept for commands that come again.
REMEMBERED = 64
#: A user not seen for so long is written down as seen at once, not buffered.
_LONG = 20 * SECOND


class Copy(msgspec.Struct):
    """What an owner keeps of a session, in the table `sessions`.

    Attributes:
        partition: of the command topic: who owns it owns the session.
        session: as last read or written; `None`: to be read.
        seen: when its user was seen last, not flushed yet.
        tick: the playhead and when it was there, not flushed yet.
        touched: when a command last came.
    """

    partition: int
    session: Session | None = None
    seen: int | None = None
    tick: tuple[int, int] | None = None
    touched: int = 0

    @property
    def buffered(self) -> bool:
        """Whether something waits to be flushed."""
        return self.seen is not None or self.tick is not None


class Timeline(msgspec.Struct):
    """The last commands of a session with their answers, in the table `timelines`."""

    answers: list[tuple[str, dict[str, Any]]] = msgspec.field(default_factory=list)

    def find(self, command_id: str) -> dict[str, Any] | None:
        """The answer that a command got, if it is remembered."""
        return next((given for known, given in self.answers if known == command_id), None)

    def remember(self, command_id: str, given: dict[str, Any]) -> None:
        """Keep an answer."""
        self.answers = [*self.answers, (command_id, given)][-REMEMBERED:]


class Owner:
    """Handles the commands of one worker's sessions, one at a time."""

    def __init__(self, store: Sessions, timelines: Timelines, clock: Callable[[], int] = instants.now) -> None:
        self._store, self._timelines, self._clock = store, timelines, clock

    async def handle(self, item: c.Command, copy: Copy, timeline: Timeline) -> dict[str, Any]:
        """Apply a command and say what came of it; whatever goes wrong becomes an answer too.

        Args:
            item: the command.
            copy: the owner's copy, changed in place.
            timeline: the last answers, changed in place.
        """
        copy.touched = self._clock()
        if (known := timeline.find(str(item.id))) is not None:
            return known
        try:
            given = answer.success(await self._apply(item, copy))
        except RequestError as error:
            return answer.failure(error)
        except Exception as error:
            log.exception("command failed", session=str(item.session_id), deed=type(item.deed).__name__)
            copy.session = None
            return answer.failure(RequestError("Something went wrong on the server.")) | {"reason": repr(error)}
        if not isinstance(item.deed, c.Tick | c.Seen | c.Flush):
            timeline.remember(str(item.id), given)
        return given

    async def _apply(self, item: c.Command, copy: Copy) -> object:
        if isinstance(item.deed, c.Create):
            copy.session = await self._store.create(item)
            return copy.session.view()
        if isinstance(item.deed, c.Flush):
            await self._flush(item, copy)
            return None
        if isinstance(item.deed, c.Tick):
            await self._look(item, copy)
        fresh = copy.session is None
        while True:
            if copy.session is None:
                copy.session = await self._store.read(item.session_id)
            try:
                return await self._to(copy.session, item, copy)
            except (SessionMoved, CommandApplied, RequestError) as reason:
                # An old copy is not to be believed; and a command that was applied is not refused the second time.
                copy.session = None
                if await self._store.applied(item.id):
                    return await self._answer_again(item, copy)
                if isinstance(reason, RequestError) and fresh:
                    raise
                fresh = True

    async def _to(self, session: Session | None, item: c.Command, copy: Copy) -> object:
        session = _theirs(session, item)
        if isinstance(item.deed, c.Resume):
            copy.session = await self._store.resume(session, item)
            return copy.session.view()
        if not session.active:
            raise ended(session)
        if isinstance(item.deed, c.Tick | c.Seen):
            return await self._buffer(session, item, copy)
        if isinstance(item.deed, c.Play) and item.deed.occ_lock != session.occ_lock:
            raise stale(session)
        session = self._with_tick(session, copy)
        copy.session, made = await self._store.change(session, changed(session, item), item)
        copy.tick = None
        return made if made is not None else copy.session.view()

    def _with_tick(self, session: Session, copy: Copy) -> Session:
        """The session with its buffered playhead: a command is applied to what its user sees."""
        if copy.tick is None:
            return session
        playback = msgspec.structs.replace(session.playback, playhead=copy.tick[0])
        return msgspec.structs.replace(session, playback=playback, ticked_at=copy.tick[1])

    async def _look(self, item: c.Command, copy: Copy) -> None:
        """A tick writes nothing, so it would not notice that the session was ended or changed by somebody else."""
        stored = await self._store.read(item.session_id)
        if stored is None or copy.session is None or stored.occ_lock != copy.session.occ_lock:
            copy.session, copy.tick = stored, None

    async def _buffer(self, session: Session, item: c.Command, copy: Copy) -> object:
        if isinstance(item.deed, c.Tick) and item.at >= (copy.tick[1] if copy.tick else session.ticked_at or 0):
            copy.tick = item.deed.playhead, item.at
        copy.seen = max(copy.seen or 0, item.at)
        if copy.seen - session.last_seen_at > _LONG:
            await self._flush(item, copy)
        return self._with_tick(copy.session or session, copy).view()

    async def _flush(self, item: c.Command, copy: Copy) -> None:
        """Write what is buffered; another `occ_lock` at the database than the copy's drops the copy's playhead."""
        if copy.session is not None and copy.buffered:
            copy.session = await self._store.flush(copy.session, copy.seen, copy.tick)
        else:
            copy.session = await self._store.read(item.session_id)
        copy.seen = copy.tick = None

    async def _answer_again(self, item: c.Command, copy: Copy) -> object:
        if isinstance(item.deed, c.Bookmark):
            return await self._timelines.bookmark(item.session_id, item.id)
        if isinstance(item.deed, c.ChangeBookmark):
            return await self._timelines.bookmark(item.session_id, item.deed.bookmark_id)
        copy.session = await self._store.read(item.session_id)
        return copy.session.view() if copy.session is not None else None


def _theirs(session: Session | None, item: c.Command) -> Session:
    """The session, if who asks may command it.

    Raises:
        NotFound: it is not there, or another tenant's.
        Forbidden: it is somebody else's.
    """
    if session is None or session.tenant_id != item.tenant_id:
        raise missing(item.session_id)
    if session.user_id != item.user_id:
        raise Forbidden("this session is somebody else's")
    return session


def missing(session_id: object) -> NotFound:
    """There is no such session, or none of this tenant."""
    return NotFound(f"there is no session {session_id}", details=[{"session_id": str(session_id)}])


def ended(session: Session) -> Conflict:
    """The session takes no commands any more."""
    about: Mapping[str, Any] = {"session_id": str(session.id), "reason": session.ended_reason}
    return Conflict("the session has ended", code="SESSION_TERMINATED", details=[dict(about)])


def stale(session: Session) -> Conflict:
    """The client has seen an older session."""
    return Conflict(
        f"the session has changed meanwhile: its occ_lock is {session.occ_lock}",
        details=[{"occ_lock": session.occ_lock}],
    )
