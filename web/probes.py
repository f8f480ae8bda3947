"""Is the process alive, and is everything it needs there."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from aiohttp import web

from msr_stream.app import app
from web.middleware import runtime
from web.routes import Requires, Route


async def live(request: web.Request) -> web.Response:
    """The process lives."""
    return _json(200, {"status": "UP"})


async def ready(request: web.Request) -> web.Response:
    """Database, its read replica if one is named, broker and table recovery are fine; each is named with its state."""
    parts = runtime(request)
    dependencies = {
        "database": await parts.check_database(),
        "broker": _broker(),
        "tables": "ok" if _recovered() else "recovering",
    }
    if parts.replica.named:
        dependencies["replica"] = await parts.replica.check()
    fine = all(state == "ok" for state in dependencies.values())
    body = {
        name: {"status": "UP" if state == "ok" else "DOWN", "detail": state} for name, state in dependencies.items()
    }
    return _json(200 if fine else 503, {"status": "UP" if fine else "DOWN", "dependencies": body})


def _recovered() -> bool:
    tables: Any = app.tables
    return bool(tables.recovery.completed.is_set()) and not app.rebalancing


def _broker() -> str:
    """Discovery asks the broker every two seconds: what it found last is the broker's state."""
    discovery = app.runtime.discovery
    if discovery is None or discovery.seen_at is None:
        return "not reached yet"
    ago = asyncio.get_running_loop().time() - discovery.seen_at
    return "ok" if ago < 10 else f"not reached for {ago:.0f} s"


def _json(status: int, body: object) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")


ROUTES = [
    Route("GET", "/health", live, Requires.NOTHING, "probes", raw="application/json"),
    Route("GET", "/livez", live, Requires.NOTHING, "probes", raw="application/json"),
    Route("GET", "/readiness", ready, Requires.NOTHING, "probes", raw="application/json", errors=(503,)),
    Route("GET", "/readyz", ready, Requires.NOTHING, "probes", raw="application/json", errors=(503,)),
]
