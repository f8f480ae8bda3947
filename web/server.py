"""Puts the routes into Faust's own web server, behind one middleware."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from msr_stream.app import MsrApp
from msr_stream.errors import MsrError
from web.middleware import REQUIREMENTS, RUNTIME_OF, guard
from web.routes import ALL_ROUTES, Route


def install(app: MsrApp, routes: Sequence[Route]) -> None:
    """Serve these routes and nothing else.

    Raises:
        MsrError: a route does not state what it requires; the worker does not start.
    """
    server: web.Application = app.web.web_app  # type: ignore[attr-defined]
    server.middlewares.append(guard)
    server[RUNTIME_OF] = lambda: app.runtime
    for route in routes:
        server.router.add_route(route.method, route.path, route.handler)
    server[ALL_ROUTES] = tuple(routes)
    server[REQUIREMENTS] = {(route.method, route.path): route.requires for route in routes}
    server.on_startup.append(_check)


async def _check(server: web.Application) -> None:
    """Every route in the server states what it requires, whoever put it there."""
    requirements = server[REQUIREMENTS]
    for route in server.router.routes():
        address = route.resource.canonical if route.resource is not None else "?"
        method = "GET" if route.method == "HEAD" else route.method
        if (method, address) not in requirements:
            raise MsrError(f"route {route.method} {address} does not state what it requires")
