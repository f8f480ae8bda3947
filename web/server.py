"""Puts the routes into Faust's own web server, behind one middleware."""

from __future__ import annotations

from collections.abc import Sequence

from msr_stream.app import MsrApp
from msr_stream.errors import MsrError
from web.middleware import REQUIREMENTS, RUNTIME_OF, guard
from web.routes import Route


def install(app: MsrApp, routes: Sequence[Route]) -> None:
    """Serve these routes and nothing else.

    Raises:
        MsrError: a route does not state what it requires; the worker does not start.
    """
    server = app.web.web_app
    server.middlewares.append(guard)
    server[RUNTIME_OF] = lambda: app.runtime
    for route in routes:
        server.router.add_route(route.method, route.path, route.handler)
    server[REQUIREMENTS] = {(route.method, route.path): route.requires for route in routes}
    server.on_startup.append(_check)


async def _check(server: object) -> None:
    """Every route in the server states what it requires, whoever put it there."""
    requirements = server[REQUIREMENTS]  # type: ignore[index]
    for route in server.router.routes():  # type: ignore[attr-defined]
        known = (route.method, route.resource.canonical) in requirements
        if not known and not (route.method == "HEAD" and ("GET", route.resource.canonical) in requirements):
            raise MsrError(f"route {route.method} {route.resource.canonical} does not state what it requires")
