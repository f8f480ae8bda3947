"""Everything over HTTP, one module per group of routes; importing this package registers them."""

from msr_stream.app import app
from web import (
    admin,
    browsing,
    console,
    coverage,
    dead_letters,
    docs,
    live,
    probes,
    replay,
    retention,
    sessions,
    sources,
)
from web.server import install

__all__ = [
    "admin",
    "browsing",
    "console",
    "coverage",
    "dead_letters",
    "docs",
    "live",
    "probes",
    "replay",
    "retention",
    "sessions",
    "sources",
]

install(
    app,
    [
        *replay.ROUTES,
        *live.ROUTES,
        *browsing.ROUTES,
        *coverage.ROUTES,
        *sessions.ROUTES,
        *admin.ROUTES,
        *sources.ROUTES,
        *dead_letters.ROUTES,
        *retention.ROUTES,
        *probes.ROUTES,
        *docs.ROUTES,
        *console.ROUTES,
    ],
)
