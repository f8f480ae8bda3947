"""Asks the worker of `bench_replay.py` over HTTP, and watches its memory meanwhile."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import aiohttp
import psutil
from msr_local.tokens import Tokens

from msr_stream import instants
from tests.benchmarks.filling import TENANT

T = TypeVar("T")
_SERVING = Path(__file__).with_name("serving.py")


class Answer(NamedTuple):
    """One answer: its status, seconds to its first byte and to its last, and how many bytes came."""

    status: int
    first: float
    seconds: float
    bytes: int


@dataclass
class Worker:
    """A worker under test.

    Attributes:
        process: it.
        port: where it answers.
        tokens: who may ask it.
        session: the client's connections.
    """

    process: psutil.Process
    port: int
    tokens: Tokens
    session: aiohttp.ClientSession

    async def state(self, at: int, user: str = "bench", encoding: str = "identity", fields: str = "") -> Answer:
        """Ask for a state, of some fields if they are named, and read all of it."""
        chosen = {"fields": fields} if fields else {}
        return await self._get("state", {"timestamp": instants.render(at), **chosen}, user, encoding)

    async def events(
        self, start: int, end: int, encoding: str = "identity", user: str = "bench", fields: str = ""
    ) -> Answer:
        """Ask for the events of a window, of some fields if they are named."""
        chosen = {"fields": fields} if fields else {}
        window = {"start": instants.render(start), "end": instants.render(end), **chosen}
        return await self._get("events", window, user, encoding)

    async def _get(self, what: str, query: Mapping[str, str], user: str, encoding: str) -> Answer:
        headers = {"Authorization": f"Bearer {self.tokens.person(user, TENANT)}", "Accept-Encoding": encoding}
        url = f"http://127.0.0.1:{self.port}/replay/{what}"
        begun, first, size = time.perf_counter(), 0.0, 0
        try:
            async with self.session.get(url, params=query, headers=headers) as answer:
                async for piece in answer.content.iter_any():
                    first = first or time.perf_counter() - begun
                    size += len(piece)
                return Answer(answer.status, first, time.perf_counter() - begun, size)
        except aiohttp.ClientError:
            return Answer(0, first, time.perf_counter() - begun, size)

    async def memory(self, work: Awaitable[T]) -> tuple[T, float]:
        """Do some work; its result, and the most memory the worker had meanwhile, MB."""
        most = self.resident()
        task = asyncio.ensure_future(work)
        while not task.done():
            most = max(most, self.resident())
            await asyncio.wait({task}, timeout=0.02)
        return await task, most

    def resident(self) -> float:
        """The memory it has now, MB."""
        return float(self.process.memory_info().rss) / 1e6


@asynccontextmanager
async def worker(tokens: Tokens, environment: Mapping[str, str]) -> AsyncIterator[Worker]:
    """Start one, and stop it in the end."""
    root = Path(__file__).parents[2]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(_SERVING),
        env={**os.environ, "PYTHONPATH": str(root), **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is ours: it is stopped below
    )
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        async with connected(process.pid, port, tokens) as asked:
            yield asked
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def connected(pid: int, port: int, tokens: Tokens) -> AsyncIterator[Worker]:
    """A worker that runs already."""
    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=600)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session:
        yield Worker(psutil.Process(pid), port, tokens, session)
