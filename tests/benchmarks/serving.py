"""The worker of `bench_replay.py`: the real routes, middleware and replay in a process of their own, without Faust.

Settings come from the environment, as a worker's do. Prints its port once it answers, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import structlog
import uvloop
from aiohttp import web

from msr_stream.runtime import Runtime
from msr_stream.settings import load
from msr_stream.testing import MemoryBroker, MemoryFeed
from web import replay
from web.server import serve


async def _never(*_: object) -> Any:
    raise AssertionError("nothing is recorded here")


async def main() -> None:
    """Serve until nobody holds the standard input any more."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("warning"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    settings = load()
    runtime = Runtime(settings, MemoryFeed(MemoryBroker(), lambda _: None, lambda: 1), _never, _never, _never)
    await runtime.prepare()
    await runtime.verifier.keys.refresh()
    application = web.Application(client_max_size=1 << 20)
    serve(application, replay.ROUTES, settings, lambda: runtime)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(main())
