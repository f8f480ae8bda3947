"""What a route is: its address, what serves it, what it requires of the caller, and what it takes and gives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from msr_stream.errors import Forbidden
from msr_stream.identity import Caller
from msr_stream.settings import Settings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: Where the middleware leaves the verified caller.
CALLER = web.RequestKey("caller", Caller)


class Requires(Enum):
    """What a caller must have."""

    NOTHING = "open to all"
    TOKEN = "a valid token"  # noqa: S105 - not a password
    TENANT = "a valid token with an active tenant"
    ADMIN = "one of the roles in ADMIN_ROLES"
    SYSTEM = "one of the roles in SYSTEM_ADMIN_ROLES"


@dataclass(frozen=True)
class Route:
    """One address; there is no way to leave out what it requires. The rest is what the API's description says.

    Attributes:
        method: the HTTP method.
        path: the address, `{names}` in braces.
        handler: serves it; its docstring is the description.
        requires: what a caller must have.
        tag: the group it is shown in.
        query: the parameters it reads.
        body: the JSON body it reads.
        data: the type of `data` in its answer; `None`: it has no body (204).
        paged: whether `page` stands beside `data`.
        raw: the media type of an answer that is no `data` document, or several.
        errors: statuses it answers beside those that every route of its kind may.
        streamed: whether it is read from the history row by row: `incomplete` stands beside `data`.
    """

    method: str
    path: str
    handler: Handler
    requires: Requires
    tag: str
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    data: Any = None
    paged: bool = False
    raw: str | tuple[str, ...] | None = None
    errors: tuple[int, ...] = ()
    streamed: bool = False

    @property
    def notices(self) -> bool:
        """Whether a session that the call names counts as seen."""
        return self.requires is Requires.TENANT and self.path != "/session"

    @property
    def statuses(self) -> set[int]:
        """The error statuses it may answer."""
        found = set(self.errors)
        if self.requires is not Requires.NOTHING:
            found.add(401)
        if self.requires not in (Requires.NOTHING, Requires.TOKEN):
            found.add(403)
        if self.notices:
            found |= {400, 404, 409, 503}
        if self.body is not None:
            found |= {400, 413}
        return found


#: Every route of the server, in order.
ALL_ROUTES = web.AppKey("all_routes", tuple[Route, ...])


def allow(requires: Requires, caller: Caller, settings: Settings) -> None:
    """Let the caller in.

    Raises:
        Forbidden: the caller lacks what the route requires.
    """
    if requires is Requires.TENANT:
        _ = caller.tenant
    elif requires is Requires.ADMIN and not caller.is_admin(settings):
        raise Forbidden(f"this needs one of the roles {', '.join(settings.admin_roles)}")
    elif requires is Requires.SYSTEM and not caller.is_system_admin(settings):
        raise Forbidden(f"this needs one of the roles {', '.join(settings.system_admin_roles)}")
