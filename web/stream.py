"""Server-sent events (HTML Living Standard, section 9.2): ended by the client, the token, or the worker's stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TypeVar

import orjson
from aiohttp import web

T = TypeVar("T")

#: A comment is sent after so many quiet seconds, so that nobody in between takes the stream for dead.
_QUIET = 15.0
#: A reader that takes not even one event in so many seconds is cut: it comes again where it was.
_STALL = 20.0


class EventStream:
    """A stream of events to one client; a context around the sending.

    Args:
        request: the client's.
        stopping: set when the worker stops.
        expires_at: when the client's token expires, seconds since 1970.
    """

    def __init__(self, request: web.Request, stopping: asyncio.Event, expires_at: float) -> None:
        self._request, self._stopping = request, stopping
        self._deadline = asyncio.get_running_loop().time() + max(0.0, expires_at - time.time())
        self.response = web.StreamResponse(
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no",
                     "X-Correlation-ID": request["correlation_id"]}
        )  # fmt: skip
        self.response.content_type = "text/event-stream"

    async def __aenter__(self) -> EventStream:
        """Begin."""
        self._request["answer_begun"] = True
        await self.response.prepare(self._request)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, unless the client has gone."""
        if error is None:
            await self.response.write_eof()

    async def send(self, event: str, data: object, event_id: str | None = None) -> None:
        """One event; its data is JSON on one line."""
        await self.send_raw(event, orjson.dumps(data), event_id)

    async def send_raw(self, event: str, data: bytes, event_id: str | None = None) -> None:
        """One event whose data is text on one line already."""
        head = f"id: {event_id}\n" if event_id is not None else ""
        await asyncio.wait_for(self.response.write(f"{head}event: {event}\ndata: ".encode() + data + b"\n\n"), _STALL)

    async def items(self, queue: asyncio.Queue[T]) -> AsyncIterator[T]:
        """What comes out of a queue, until the stream is to end."""
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            while (left := self._deadline - asyncio.get_running_loop().time()) > 0 and not stopping.done():
                getting = asyncio.ensure_future(queue.get())
                try:
                    await asyncio.wait({getting, stopping}, timeout=min(left, _QUIET), return_when="FIRST_COMPLETED")
                    if getting.done():
                        yield getting.result()
                    elif not stopping.done():
                        await self.response.write(b": quiet\n\n")
                finally:
                    getting.cancel()
        finally:
            stopping.cancel()
