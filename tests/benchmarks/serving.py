"""The worker of `bench_replay.py` and `bench_ui.py`: the real routes of replay and console in a process of their own.

There is no Faust, and nothing is recorded.
Settings come from the environment, as a worker's do. Prints its port once it answers, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvloop
from aiohttp import web

from msr_stream.runtime import Runtime
from msr_stream.settings import load
from msr_stream.testing import MemoryBroker, MemoryFeed
from tests.benchmarks.place import quieten
from web import browsing, console, coverage, replay
from web.server import serve

#: Those of a replay, and of the console that shows it.
ROUTES = [*replay.ROUTES, *browsing.ROUTES, *coverage.ROUTES, *console.ROUTES]


async def _never(*_: object) -> Any:
    raise AssertionError("nothing is recorded here")


async def main() -> None:
    """Serve until nobody holds the standard input any more."""
    quieten()
    settings = load()
    runtime = Runtime(settings, MemoryFeed(MemoryBroker(), lambda _: None, lambda: 1), _never, _never, _never)
    await runtime.prepare()
    await runtime.verifier.keys.refresh()
    application = web.Application(client_max_size=1 << 20)
    serve(application, ROUTES, settings, lambda: runtime)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(main())
