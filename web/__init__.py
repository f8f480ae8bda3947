"""Everything over HTTP, one module per group of routes; importing this package registers them."""

from msr_stream.app import app
from web import dead_letters, probes, replay, sources
from web.server import install

__all__ = ["dead_letters", "probes", "replay", "sources"]

install(app, [*probes.ROUTES, *replay.ROUTES, *sources.ROUTES, *dead_letters.ROUTES])
