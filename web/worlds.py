"""Which world an answer is about: what is recorded, or a clip (`source=clip:<id>`)."""

from __future__ import annotations

import uuid
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from aiohttp import web
from pydantic import BaseModel, Field

from msr_stream.errors import BadRequest, NotFound
from msr_stream.runtime import Runtime
from msr_stream.store.clip_replay import NO_EPOCH
from msr_stream.store.clips import KeptClip
from msr_stream.store.snapshot import Snapshot
from msr_stream.store.standing import Missing, Standing
from web.middleware import runtime
from web.routes import CALLER, Handler, Route

_CLIP = "clip:"


class SourceParams(BaseModel):
    """Which world."""

    source: str | None = Field(
        None, description="`clip:<id>`: of a clip that was imported; none: of what is recorded", pattern="^clip:"
    )


class World(Protocol):
    """What answers are read from, for one caller."""

    def check_early(self, moment: int | None) -> None:
        """Refuse what is later than now at once."""
        ...

    async def standing(self, moment: int | None, start: int | None = None) -> Standing | None:
        """Where it stands, for an instant or a window that ends with it."""
        ...

    def snapshot(self, until: int | None) -> AbstractAsyncContextManager[Snapshot]:
        """One snapshot of it."""
        ...


class Recorded:
    """What is recorded, as a tenant sees it."""

    def __init__(self, parts: Runtime, tenant: str) -> None:
        self._parts, self._tenant = parts, tenant

    def check_early(self, moment: int | None) -> None:
        """Refuse what is later than now at once."""
        self._parts.replay.check_early(moment)

    async def standing(self, moment: int | None, start: int | None = None) -> Standing | None:
        """Where the history stands."""
        return await self._parts.standings.at(moment, start)

    def snapshot(self, until: int | None) -> AbstractAsyncContextManager[Snapshot]:
        """A snapshot in which an instant is settled, if that can be waited for."""
        return self._parts.replay.snapshot(self._tenant, until)


class OfClip:
    """A clip of the tenant's: it never changes, and no epoch of the history concerns it."""

    def __init__(self, parts: Runtime, clip: KeptClip) -> None:
        self._parts, self._clip = parts, clip

    def check_early(self, moment: int | None) -> None:
        """Refuse what is outside the clip at once."""
        if moment is not None:
            self._clip.bounds.check(moment)

    async def standing(self, moment: int | None, start: int | None = None) -> Standing | None:
        """Settled from start to end."""
        return Standing(NO_EPOCH, self._clip.bounds, Missing(frozenset(), frozenset(self._clip.incomplete)))

    def snapshot(self, until: int | None) -> AbstractAsyncContextManager[Snapshot]:
        """A snapshot of the clip."""
        return self._parts.clip_replay.snapshot(self._clip)


async def world_of(request: web.Request) -> World:
    """The world that a request asks.

    Raises:
        BadRequest: `source` names no clip.
        NotFound: the caller's tenant has no such clip.
    """
    source, parts, tenant = request.query.get("source"), runtime(request), request[CALLER].tenant
    if source is None:
        return Recorded(parts, tenant)
    if not source.startswith(_CLIP):
        problem = {"field": "source", "message": f"source: got {source!r}, wants clip:<id>"}
        raise BadRequest(problem["message"], details=[problem])
    try:
        clip_id = uuid.UUID(source.removeprefix(_CLIP))
    except ValueError as error:
        raise NotFound(f"there is no clip {source.removeprefix(_CLIP)!r}") from error
    return OfClip(parts, await parts.clips.find(clip_id, tenant))


def about_its_world(route: Route) -> Handler:
    """A route's handler; one that knows what is recorded alone refuses to be asked about anything else."""
    if not route.path.startswith("/replay/") or (route.query is not None and "source" in route.query.model_fields):
        return route.handler

    async def of_what_is_recorded(request: web.Request) -> web.StreamResponse:
        if "source" in request.query:
            problem = {"field": "source", "message": f"source: {route.path} is about what is recorded, not about clips"}
            raise BadRequest(problem["message"], details=[problem])
        return await route.handler(request)

    return of_what_is_recorded
