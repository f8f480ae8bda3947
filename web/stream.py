"""Server-sent events (HTML Living Standard, section 9.2): ended by client, token, session, or the worker's stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TypeVar

import orjson
from aiohttp import web

from msr_stream import logs
from msr_stream.errors import RequestError, Unavailable
from web.middleware import notice, runtime
from web.routes import CALLER

log = logs.get(__name__)

T = TypeVar("T")

#: A comment is sent after so many quiet seconds, so that nobody in between takes the stream for dead.
_QUIET = 15.0
#: A reader that takes not even one piece in so many seconds is cut: it comes again where it was.
_STALL = 20.0
_PIECE = 64 * 1024
#: What has not ended so long after the worker was told to stop is cut, seconds.
_FAREWELL = 3.0


class StreamOver(Exception):
    """The stream is to end: nothing more is sent."""


class EventStream:
    """A stream of events to one client; a context around the sending. As long as it is open, its client is seen.

    Args:
        request: the client's.
        stopping: set when the worker stops.
        expires_at: when the client's token expires, seconds since 1970.
    """

    def __init__(self, request: web.Request, stopping: asyncio.Event, expires_at: float) -> None:
        self._request, self._stopping = request, stopping
        self._deadline = asyncio.get_running_loop().time() + max(0.0, expires_at - time.time())
        self._unwanted = asyncio.Event()
        self._beside: list[asyncio.Task[None]] = []
        self.response = web.StreamResponse(
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no",
                     "X-Correlation-ID": request["correlation_id"]}
        )  # fmt: skip
        self.response.content_type = "text/event-stream"

    @property
    def over(self) -> bool:
        """Whether it is to end: the worker stops, the token has expired, or the session it is part of has ended."""
        late = asyncio.get_running_loop().time() >= self._deadline
        return late or self._stopping.is_set() or self._unwanted.is_set()

    async def __aenter__(self) -> EventStream:
        """Begin."""
        self._request["answer_begun"] = True
        await self.response.prepare(self._request)
        self._beside = [asyncio.create_task(work()) for work in (self._be_seen, self._cut_when_stopping)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """End, unless the client has gone."""
        for task in self._beside:
            task.cancel()
        if error is None or isinstance(error, StreamOver):
            await self.response.write_eof()
        return isinstance(error, StreamOver)

    @staticmethod
    def frame(event: str, text: bytes, event_id: str | None = None) -> bytes:
        """One event as it is sent; its text is on one line."""
        head = f"id: {event_id}\n" if event_id is not None else ""
        return f"{head}event: {event}\ndata: ".encode() + text + b"\n\n"

    async def send(self, event: str, data: object, event_id: str | None = None) -> None:
        """One event; its data is JSON on one line."""
        await self.write(self.frame(event, orjson.dumps(data), event_id))

    async def write(self, frames: bytes) -> None:
        """Some events.

        Raises:
            StreamOver: the stream is to end.
            ConnectionAbortedError: the client takes nothing; it was cut.
        """
        for start in range(0, len(frames), _PIECE):
            if self.over:
                raise StreamOver
            try:
                async with asyncio.timeout(_STALL):
                    await self.response.write(frames[start : start + _PIECE])
            except TimeoutError as error:
                self._cut("its reader takes next to nothing")
                raise ConnectionAbortedError("the reader takes next to nothing") from error

    async def items(self, queue: asyncio.Queue[T]) -> AsyncIterator[T]:
        """What comes out of a queue, until the stream is to end."""
        ends = [asyncio.ensure_future(event.wait()) for event in (self._stopping, self._unwanted)]
        try:
            while not self.over:
                left = self._deadline - asyncio.get_running_loop().time()
                getting = asyncio.ensure_future(queue.get())
                try:
                    await asyncio.wait({getting, *ends}, timeout=min(left, _QUIET), return_when="FIRST_COMPLETED")
                    if getting.done():
                        yield getting.result()
                    elif not self.over:
                        await self.response.write(b": quiet\n\n")
                finally:
                    getting.cancel()
        finally:
            for end in ends:
                end.cancel()

    async def _cut_when_stopping(self) -> None:
        """Reset the connection if the worker stops and the stream does not end soon: a write that waits fails."""
        await self._stopping.wait()
        await asyncio.sleep(_FAREWELL)
        self._cut("the worker stops")

    def _cut(self, reason: str) -> None:
        log.info("a stream was cut", path=self._request.rel_url.raw_path, reason=reason)
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _be_seen(self) -> None:
        """A session of which this is a call stays alive with it; once it has ended there is nobody to listen."""
        while True:
            await asyncio.sleep(runtime(self._request).presence.pause)
            try:
                await notice(self._request, self._request[CALLER])
            except Unavailable as error:
                log.info("who listens could not be noted as seen", reason=str(error))
            except RequestError as error:
                log.info("a stream ends with its session", reason=str(error))
                self._unwanted.set()
                return
