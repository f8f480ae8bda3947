"""Headers of every answer: what browsers may do with it, and which other origins' pages may read it (CORS)."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

_SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
#: Headers of ours that a page may read.
_EXPOSED = "X-Correlation-ID, X-Settled-Until, X-Incomplete, Retry-After, ETag"
#: Headers that a page may send.
_ALLOWED = "Authorization, Content-Type, If-Match, If-None-Match, Last-Event-ID, X-Correlation-ID, X-Session-ID"
#: How long a browser remembers the answer to its preflight, seconds.
_REMEMBERED = "600"


class Headers:
    """What every answer carries (Fetch standard, sections 3.2 and 3.6).

    `aiohttp-cors` answers for the routes it was told of alone: neither 404 and 405, nor HEAD and PATCH.
    Callers show a bearer token, never a cookie: credentials need not be allowed.
    """

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origins)

    async def add(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Put them into an answer that is about to begin."""
        for name, value in _SECURITY.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Cache-Control", "no-store")
        if not self._origins:
            return
        varies = response.headers.get("Vary")
        response.headers["Vary"] = f"{varies}, Origin" if varies else "Origin"
        if (origin := request.headers.get("Origin")) in self._origins:
            response.headers["Access-Control-Allow-Origin"] = str(origin)
            response.headers["Access-Control-Expose-Headers"] = _EXPOSED

    def preflight(self, request: web.Request) -> web.Response | None:
        """The answer to a browser that asks before it sends a page's request; `None` if this is no such question.

        It needs no token: browsers send none with it.
        """
        asked = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        refusal = request.match_info.http_exception
        if not asked or request.headers.get("Origin") not in self._origins:
            return None
        if not isinstance(refusal, web.HTTPMethodNotAllowed):  # what OPTIONS is answered with where there is a route
            return None
        allowed = {
            "Access-Control-Allow-Methods": ", ".join(sorted(refusal.allowed_methods)),
            "Access-Control-Allow-Headers": _ALLOWED,
            "Access-Control-Max-Age": _REMEMBERED,
        }
        return web.Response(status=204, headers=allowed)
