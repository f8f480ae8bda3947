"""Administration: everybody's sessions, the settings, and who changed what."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, Field

from msr_stream.configuration import Change, Configuration
from msr_stream.errors import Forbidden
from msr_stream.store.audit import Actor, Audit
from msr_stream.store.sessions import Sessions
from web import answers, reading
from web.middleware import runtime
from web.models import Json, Paging, Request, Time
from web.routes import CALLER, Requires, Route
from web.session_models import SessionView


class SessionsQuery(Paging):
    """Whose sessions, in which state."""

    tenant_id: str | None = None
    status: Literal["ACTIVE", "INACTIVE"] | None = None


class AuditQuery(Paging):
    """What was done, by whom."""

    action: str | None = None
    user_id: str | None = None


class TerminateBody(Request):
    """Which sessions to terminate: all or none."""

    session_ids: Annotated[list[UUID], Field(min_length=1, max_length=1000)]


class ActiveView(BaseModel):
    """How many sessions are active."""

    active_sessions: int


class AuditView(BaseModel):
    """What somebody did."""

    audit_id: int
    created_at: Time
    user_id: str
    username: str
    tenant_id: str | None
    action: str
    subject: str
    before: Json | None
    after: Json | None
    correlation_id: UUID | None


class BuiltView(BaseModel):
    """How many keyframes were built: one of each shard that has changed since its last."""

    keyframes: int


async def settings(request: web.Request) -> web.Response:
    """The runtime settings."""
    return answers.data(await runtime(request).configurations.read())


async def change_settings(request: web.Request) -> web.Response:
    """Change some runtime settings, in force at once on every worker; all of them or none."""
    change = await reading.body(request, Change)
    return answers.data(await runtime(request).configurations.change(change, actor(request)))


async def sessions(request: web.Request) -> web.Response:
    """Sessions: of the own tenant, or of all for a system administrator."""
    query, page = reading.query(request, SessionsQuery), reading.page(request, Sessions.SORTABLE)
    tenant = _tenant(request, query.tenant_id)
    found, total = await runtime(request).sessions.page(page, tenant=tenant, status=query.status)
    return answers.paged([session.view() for session in found], page, total)


async def active_sessions(request: web.Request) -> web.Response:
    """How many sessions are active: of the own tenant, or in all for a system administrator."""
    return answers.data({"active_sessions": await runtime(request).sessions.active(_tenant(request, None))})


async def terminate_sessions(request: web.Request) -> web.Response:
    """Terminate sessions; if one of them is unknown, none."""
    body = await reading.body(request, TerminateBody)
    wanted = list(dict.fromkeys(body.session_ids))
    await runtime(request).sessions.terminate(wanted, _tenant(request, None), actor(request))
    return answers.nothing()


async def audit(request: web.Request) -> web.Response:
    """Who changed what: what concerns the own tenant, or everything for a system administrator."""
    query, page = reading.query(request, AuditQuery), reading.page(request, Audit.SORTABLE)
    chosen = {"tenant": _tenant(request, None), "action": query.action, "user_id": query.user_id}
    found, total = await runtime(request).audit.page(page, **chosen)
    return answers.paged(found, page, total)


async def build_keyframes(request: web.Request) -> web.Response:
    """Build a keyframe of every shard now: states from here on are read from it."""
    built = await runtime(request).keyframes.build_all(actor(request))
    return answers.data(BuiltView(keyframes=built), message="Keyframes built")


def actor(request: web.Request) -> Actor:
    """Who does it, in which request."""
    return Actor(request[CALLER], request["correlation_id"])


def _tenant(request: web.Request, asked: str | None) -> str | None:
    """The tenant to keep to; `None`: all.

    Raises:
        Forbidden: another tenant's is asked for.
    """
    caller = request[CALLER]
    if caller.is_system_admin(runtime(request).settings):
        return asked
    if asked not in (None, caller.tenant):
        raise Forbidden(f"the sessions of tenant {asked} are not yours to administer")
    return caller.tenant


_BAD = (400, 503)
ROUTES = [
    Route("GET", "/admin/settings", settings, Requires.TOKEN, "admin", data=Configuration, errors=(503,)),
    Route("PUT", "/admin/settings", change_settings, Requires.SYSTEM, "admin", body=Change, data=Json, errors=_BAD),
    Route("GET", "/admin/sessions", sessions, Requires.ADMIN, "admin", query=SessionsQuery, data=list[SessionView],
          paged=True, errors=_BAD),
    Route("GET", "/admin/sessions/status", active_sessions, Requires.ADMIN, "admin", data=ActiveView, errors=(503,)),
    Route("POST", "/admin/sessions/terminate", terminate_sessions, Requires.ADMIN, "admin", body=TerminateBody,
          errors=(400, 404, 503)),
    Route("POST", "/admin/keyframes", build_keyframes, Requires.SYSTEM, "admin", data=BuiltView, errors=(503,)),
    Route("GET", "/admin/audit", audit, Requires.ADMIN, "admin", query=AuditQuery, data=list[AuditView], paged=True,
          errors=_BAD),
]  # fmt: skip
