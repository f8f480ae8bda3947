"""Everything over HTTP, one module per group of routes; importing this package registers them."""

from msr_stream.app import app
from web import probes, replay
from web.server import install

__all__ = ["probes", "replay"]

install(app, [*probes.ROUTES, *replay.ROUTES])
