"""Everything over HTTP, one module per group of routes; importing this package registers them."""

from msr_stream.app import app
from web import admin, docs, probes, replay, sessions
from web.server import install

__all__ = ["admin", "docs", "probes", "replay", "sessions"]

install(app, [*probes.ROUTES, *replay.ROUTES, *sessions.ROUTES, *admin.ROUTES, *docs.ROUTES])
