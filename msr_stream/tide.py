"""The settled instant as it rises: one look at the database for all who wait for it in a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from msr_stream import logs
from msr_stream.errors import RequestError

log = logs.get(__name__)

#: Seconds between two looks while somebody waits.
_PAUSE = 0.2


class Tide:
    """Tells the settled instant.

    Args:
        settled: gives it; `None`: nothing is settled yet.
    """

    def __init__(self, settled: Callable[[], Awaitable[int | None]]) -> None:
        self._settled = settled
        self._queues: set[asyncio.Queue[int]] = set()
        self._looking: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def follow(self) -> AsyncIterator[asyncio.Queue[int]]:
        """A queue that gets the settled instant at once and whenever it has risen; only the newest is kept."""
        queue: asyncio.Queue[int] = asyncio.Queue(maxsize=1)
        self._queues.add(queue)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_on(), name="settled instant followed")
        try:
            yield queue
        finally:
            self._queues.discard(queue)

    async def _look_on(self) -> None:
        while self._queues:
            try:
                settled = await self._settled()
            except RequestError as error:
                log.warning("the settled instant cannot be read, trying again", error=str(error))
                settled = None
            for queue in self._queues if settled is not None else ():
                if queue.full():
                    queue.get_nowait()
                queue.put_nowait(settled)  # type: ignore[arg-type]  # not None here
            await asyncio.sleep(_PAUSE)
