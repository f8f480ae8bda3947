"""Puts the routes into Faust's own web server, behind one middleware."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from aiohttp import web

from msr_stream.app import MsrApp
from msr_stream.errors import MsrError
from msr_stream.runtime import Runtime
from msr_stream.settings import Settings
from web.headers import Headers
from web.middleware import HEADERS, REQUIREMENTS, RUNTIME_OF, guard
from web.routes import ALL_ROUTES, Route
from web.worlds import about_its_world


def install(app: MsrApp, routes: Sequence[Route]) -> None:
    """Serve these routes and nothing else.

    Raises:
        MsrError: a route does not state what it requires; the worker does not start.
    """
    server: web.Application = app.web.web_app  # type: ignore[attr-defined]
    # Streams watch `stopping` and end by themselves; what does not is waited for no longer than this (twice).
    app.web._runner._shutdown_timeout = 2.0  # type: ignore[attr-defined]  # noqa: SLF001 - Faust has no setting
    serve(server, routes, app.msr, lambda: app.runtime)


def serve(
    server: web.Application, routes: Sequence[Route], settings: Settings, runtime_of: Callable[[], Runtime]
) -> None:
    """Put routes, middleware and headers into an application of aiohttp's."""
    server.middlewares.append(guard)
    server[HEADERS] = headers = Headers(settings.cors_origins)
    server.on_response_prepare.append(headers.add)
    server[RUNTIME_OF] = runtime_of
    for route in routes:
        server.router.add_route(route.method, _matched(route.path), about_its_world(route))
    server[ALL_ROUTES] = tuple(routes)
    server[REQUIREMENTS] = {(route.method, route.path): route.requires for route in routes}
    server.on_startup.append(_check)


def _matched(path: str) -> str:
    """A path for aiohttp: each part in braces takes any text that was written without a slash, also one with braces."""
    return re.sub(r"{(\w+)}", r"{\1:[^/]+}", path)


async def _check(server: web.Application) -> None:
    """Every route in the server states what it requires, whoever put it there."""
    requirements = server[REQUIREMENTS]
    for route in server.router.routes():
        address = route.resource.canonical if route.resource is not None else "?"
        method = "GET" if route.method == "HEAD" else route.method
        if (method, address) not in requirements:
            raise MsrError(f"route {route.method} {address} does not state what it requires")
