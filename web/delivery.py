"""An answer on its way to its reader, at the reader's pace; whoever renders it does not wait for that."""

from __future__ import annotations

import asyncio

from aiohttp import web

from msr_stream import logs
from msr_stream.spool import Spool
from web.middleware import runtime

log = logs.get(__name__)

#: A reader that takes not even one piece in so many seconds is cut.
_STALL = 20.0
_PIECE = 256 * 1024
#: What has not ended so long after the worker was told to stop is cut, seconds.
_FAREWELL = 3.0


class Delivery:
    """One answer's way from the spool to the socket, in a task of its own; it begins with the first piece.

    Args:
        request: whose answer it is.
        response: not prepared yet.
    """

    def __init__(self, request: web.Request, response: web.StreamResponse) -> None:
        self._request, self._response = request, response
        response.headers["X-Correlation-ID"] = request["correlation_id"]
        parts = runtime(request)
        self._spool = Spool(parts.spools, lambda: parts.replay.waiting > 0)
        self._stopping = parts.stopping
        self._task: asyncio.Task[None] | None = None
        self._cutting: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """From now on the connection is reset if the worker stops and the answer does not end soon."""
        self._cutting = asyncio.create_task(self._cut_when_stopping())

    async def put(self, piece: bytes) -> None:
        """One more piece.

        Raises:
            ConnectionError: the reader has gone, or was cut.
        """
        if self._task is None:
            self._request["answer_begun"] = True
            await self._response.prepare(self._request)
            self._task = asyncio.create_task(self._deliver())
            self._task.add_done_callback(_look_at)
        try:
            await self._spool.put(piece)
        except ConnectionAbortedError as error:
            self._cut(str(error))
            raise

    def finish(self) -> None:
        """That was the last one."""
        self._spool.finish()

    def give_up(self) -> None:
        """It will not become whole."""
        self._end_cutting()
        if self._task is not None:
            self._task.cancel()

    async def ended(self) -> None:
        """Wait until the reader has it all.

        Raises:
            ConnectionError: the reader has gone, or was cut.
        """
        if self._task is not None:
            await self._task

    async def _deliver(self) -> None:
        try:
            while (piece := await self._spool.get()) is not None:
                for start in range(0, len(piece), _PIECE):
                    await asyncio.wait_for(self._response.write(piece[start : start + _PIECE]), _STALL)
            await asyncio.wait_for(self._response.write_eof(), _STALL)
        except TimeoutError:
            error = ConnectionAbortedError("its reader takes next to nothing")
            self._cut(str(error))
            self._spool.fail(error)
            raise error from None
        except BaseException as error:
            self._spool.fail(error)
            raise
        finally:
            self._end_cutting()
            await self._spool.close()

    def _end_cutting(self) -> None:
        if self._cutting is not None:
            self._cutting.cancel()

    async def _cut_when_stopping(self) -> None:
        """A write that waits fails when the connection is reset."""
        await self._stopping.wait()
        await asyncio.sleep(_FAREWELL)
        self._cut("the worker stops")

    def _cut(self, reason: str) -> None:
        transport = self._request.transport
        if transport is not None and not transport.is_closing():
            log.warning("an answer was cut", path=self._request.rel_url.raw_path, reason=reason)
            transport.abort()


async def deliver(request: web.Request, response: web.StreamResponse, body: bytes) -> None:
    """Deliver what is there whole.

    Raises:
        ConnectionError: the reader has gone, or was cut.
    """
    delivery = Delivery(request, response)
    delivery.begin()
    try:
        await delivery.put(body)
    except BaseException:
        delivery.give_up()
        raise
    delivery.finish()
    await delivery.ended()


def _look_at(task: asyncio.Task[None]) -> None:
    """Its error was raised to whoever put, or will be; nobody may be there to await the task as well."""
    if not task.cancelled():
        task.exception()
