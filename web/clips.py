"""Clips that were imported: which there are, and their end. They are imported on the command line."""

from __future__ import annotations

from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, Field

from msr_stream.store.clips import Clips
from web import answers, reading
from web.admin import actor
from web.middleware import runtime
from web.models import Paging, Time
from web.routes import CALLER, Requires, Route


class ClipView(BaseModel):
    """A clip: ask the read routes of it with `source=clip:<id>`, between its start and its end."""

    id: UUID
    name: str
    tenant_id: str
    start: Time
    end: Time
    incomplete: list[str] = Field(description="tables of which it may not have all")
    filters: dict[str, list[str]] = Field(description="what its export left out")
    state_rows: int
    event_rows: int
    exported_at: Time
    created_at: Time
    created_by: str


async def clips(request: web.Request) -> web.Response:
    """The clips of the caller's tenant."""
    page = reading.page(request, Clips.SORTABLE)
    found, total = await runtime(request).clips.page(page, request[CALLER].tenant)
    return answers.paged(found, page, total)


async def delete(request: web.Request) -> web.Response:
    """Delete a clip: of the own tenant, or anybody's for a system administrator."""
    caller, parts = request[CALLER], runtime(request)
    tenant = None if caller.is_system_admin(parts.settings) else caller.tenant
    await parts.clips.delete(reading.identifier(request), tenant, actor(request))
    return answers.nothing()


ROUTES = [
    Route("GET", "/replay/clips", clips, Requires.TENANT, "replay", query=Paging, data=list[ClipView], paged=True),
    Route("DELETE", "/admin/clips/{id}", delete, Requires.ADMIN, "admin", errors=(404, 503)),
]  # fmt: skip
