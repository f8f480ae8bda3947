"""Replay sessions: commands go to their owners, reads come from the database."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID, uuid4

from aiohttp import web

from msr_stream.identity import Caller
from msr_stream.sessions import command as c
from msr_stream.sessions.owner import ended, missing
from msr_stream.sessions.session import Session
from msr_stream.store.sessions import Sessions
from msr_stream.store.timelines import Timelines
from web import answers, reading
from web.middleware import runtime
from web.models import Paging
from web.routes import CALLER, Requires, Route
from web.session_models import (
    BookmarkBody,
    BookmarkChangeBody,
    BookmarkView,
    EntryView,
    MarkBody,
    PlaybackBody,
    SessionView,
    SessionWithBookmarks,
)
from web.stream import EventStream


async def create(request: web.Request) -> web.Response:
    """Create a session."""
    session = await _ask(request, uuid4(), c.Create())
    return answers.data(session, message="Created session successfully")


async def own(request: web.Request) -> web.Response:
    """One's own sessions."""
    caller, page = request[CALLER], reading.page(request, Sessions.SORTABLE)
    found, total = await runtime(request).sessions.page(page, tenant=caller.tenant, user_id=caller.user_id)
    return answers.paged([session.view() for session in found], page, total)


async def one(request: web.Request) -> web.Response:
    """One session of the own tenant, with its bookmarks."""
    session = await _visible(request)
    bookmarks = await runtime(request).timelines.bookmarks(session.id)
    return answers.data(session.view() | {"bookmarks": bookmarks})


async def play(request: web.Request) -> web.Response:
    """Play, pause, seek, change speed, window or filters; or tell where the playhead is."""
    deed = (await reading.body(request, PlaybackBody)).deed()
    return answers.data(await _ask(request, reading.identifier(request), deed))


async def resume(request: web.Request) -> web.Response:
    """Let a session go on that was not seen for too long."""
    return answers.data(await _ask(request, reading.identifier(request), c.Resume()))


async def terminate(request: web.Request) -> web.Response:
    """Terminate one's own session."""
    await _ask(request, reading.identifier(request), c.Terminate())
    return answers.nothing()


async def timeline(request: web.Request) -> web.Response:
    """What happened in a session, in order."""
    session, page = await _visible(request), reading.page(request, Timelines.SORTABLE)
    found, total = await runtime(request).timelines.timeline(session.id, page)
    return answers.paged(found, page, total)


async def mark(request: web.Request) -> web.Response:
    """Note something at a moment, on the session's timeline."""
    body = await reading.body(request, MarkBody)
    return answers.data(await _ask(request, reading.identifier(request), c.Mark(body.timestamp, body.text)))


async def add_bookmark(request: web.Request) -> web.Response:
    """Keep a moment with a title and a note."""
    body = await reading.body(request, BookmarkBody)
    deed = c.Bookmark(body.timestamp, body.title, body.note)
    return answers.data(await _ask(request, reading.identifier(request), deed))


async def change_bookmark(request: web.Request) -> web.Response:
    """Say something else in a bookmark, or give it another place among the session's."""
    deed = (await reading.body(request, BookmarkChangeBody)).deed(reading.identifier(request, "bookmark_id"))
    return answers.data(await _ask(request, reading.identifier(request), deed))


async def remove_bookmark(request: web.Request) -> web.Response:
    """Let a bookmark go."""
    deed = c.RemoveBookmark(reading.identifier(request, "bookmark_id"))
    await _ask(request, reading.identifier(request), deed)
    return answers.nothing()


async def follow(request: web.Request) -> web.StreamResponse:
    """The session's playback as it changes, for others of the tenant, as server-sent events."""
    session = await _visible(request)
    if not session.active:
        raise ended(session)
    parts = runtime(request)
    async with (
        EventStream(request, parts.stopping, request[CALLER].expires_at) as stream,
        parts.following.follow(session.id) as changes,
    ):
        await stream.send("playback", session.view())
        async for changed in stream.items(changes):
            await stream.send("playback" if changed.active else "end", changed.view())
            if not changed.active:
                break
    return stream.response


async def _ask(request: web.Request, session_id: UUID, deed: c.Deed) -> Any:
    caller: Caller = request[CALLER]
    return await runtime(request).asker.ask(c.command(caller, session_id, deed))


async def _visible(request: web.Request) -> Session:
    """The session in the address, if it is of the caller's tenant."""
    session_id = reading.identifier(request)
    session = await runtime(request).sessions.read(session_id)
    if session is None or session.tenant_id != request[CALLER].tenant:
        raise missing(session_id)
    return session


_route = partial(Route, requires=Requires.TENANT, tag="sessions")
ROUTES = [
    _route("POST", "/session", create, data=SessionView, errors=(409, 503)),
    _route("GET", "/session", own, query=Paging, data=list[SessionView], paged=True, errors=(503,)),
    _route("GET", "/session/{id}", one, data=SessionWithBookmarks, errors=(404, 503)),
    _route("PATCH", "/session/{id}", play, body=PlaybackBody, data=SessionView, errors=(400, 404, 409, 503)),
    _route("DELETE", "/session/{id}", terminate, errors=(404, 409, 503)),
    _route("POST", "/session/{id}/terminate", terminate, errors=(404, 409, 503)),
    _route("POST", "/session/{id}/resume", resume, data=SessionView, errors=(404, 409, 503)),
    _route("GET", "/session/{id}/timeline", timeline, query=Paging, data=list[EntryView], paged=True,
           errors=(404, 503)),
    _route("POST", "/session/{id}/marks", mark, body=MarkBody, data=SessionView, errors=(400, 404, 409, 503)),
    _route("POST", "/session/{id}/bookmarks", add_bookmark, body=BookmarkBody, data=BookmarkView,
           errors=(400, 404, 409, 503)),
    _route("PATCH", "/session/{id}/bookmarks/{bookmark_id}", change_bookmark, body=BookmarkChangeBody,
           data=BookmarkView, errors=(400, 404, 409, 503)),
    _route("DELETE", "/session/{id}/bookmarks/{bookmark_id}", remove_bookmark, errors=(404, 409, 503)),
    _route("GET", "/session/{id}/follow", follow, raw="text/event-stream", errors=(404, 409, 503)),
]  # fmt: skip
