"""Everything over HTTP, one module per group of routes; importing this package registers them."""

from msr_stream.app import app
from web import (
    admin,
    browsing,
    clips,
    console,
    coverage,
    dead_letters,
    docs,
    export,
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
    "clips",
    "console",
    "coverage",
    "dead_letters",
    "docs",
    "export",
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
        *export.ROUTES,
        *clips.ROUTES,
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
