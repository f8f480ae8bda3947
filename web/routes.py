"""What a route is: its address, what serves it, and what it requires of the caller."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import NamedTuple

from aiohttp import web

from msr_stream.identity import Caller

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: Where the middleware leaves the verified caller.
CALLER = web.RequestKey("caller", Caller)


class Requires(Enum):
    """What a caller must have."""

    NOTHING = "open to all"
    TOKEN = "a valid token"  # noqa: S105 - not a password
    TENANT = "a valid token with an active tenant"


class Route(NamedTuple):
    """One address; there is no way to leave out what it requires."""

    method: str
    path: str
    handler: Handler
    requires: Requires


def allow(requires: Requires, caller: Caller) -> None:
    """Let the caller in.

    Raises:
        Forbidden: the caller lacks what the route requires.
    """
    if requires is Requires.TENANT:
        _ = caller.tenant
