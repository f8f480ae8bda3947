"""An answer streamed from COPY to the socket, compressed on the way if the client accepts that."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Protocol

import zstandard
from aiohttp import web

from msr_stream import logs
from msr_stream.segments import Rendering
from web.forms import Form, form_of
from web.middleware import runtime

log = logs.get(__name__)

#: A reader that takes not even one piece in so many seconds is cut.
_STALL = 20.0
#: What has not ended so long after the worker was told to stop is cut, seconds.
_FAREWELL = 3.0
#: Bytes gathered before they are compressed and sent.
_PIECE = 256 * 1024


class Compressor(Protocol):
    """zlib's and zstandard's compression objects, as far as they are used."""

    def compress(self, data: bytes, /) -> bytes:
        """Take some bytes, give some."""
        ...

    def flush(self) -> bytes:
        """Give the rest."""
        ...


def choose_encoding(accepted: str) -> str | None:
    """`zstd` or `gzip` if the `Accept-Encoding` header allows it, in this order (RFC 9110, section 12.5.3)."""
    weights: dict[str, float] = {}
    for part in accepted.lower().split(","):
        name, _, parameter = part.strip().partition(";")
        weight = parameter.strip().removeprefix("q=")
        try:
            weights[name.strip()] = float(weight) if weight else 1.0
        except ValueError:
            weights[name.strip()] = 0.0
    anything = weights.get("*", 0.0)
    return next((name for name in ("zstd", "gzip") if weights.get(name, anything) > 0), None)


class Answer:
    """Rows in the form that the client accepts, as they come; used as a context around the reading.

    Attributes:
        response: aiohttp's.
    """

    def __init__(
        self,
        request: web.Request,
        headers: dict[str, str],
        incomplete: Sequence[str] = (),
        rendering: Rendering | None = None,
        form: Form | None = None,
    ) -> None:
        self._request, self._rendering = request, rendering
        self.response = web.StreamResponse(headers=headers)
        self._form, self._incomplete = form or form_of(request), incomplete
        self.response.content_type = self._form.media_type
        self.response.headers["X-Correlation-ID"] = request["correlation_id"]
        self._compressor = self._choose()
        self._gathered: list[bytes] = [self._form.beginning]
        self._size = 0
        self._cutting: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Answer:
        """Nothing is sent yet: an error until the first piece is still an error answer."""
        self._cutting = asyncio.create_task(self._cut_when_stopping(runtime(self._request).stopping))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the answer, if it is whole."""
        try:
            if error is None:
                await self._end()
        finally:
            if self._cutting is not None:
                self._cutting.cancel()

    async def _end(self) -> None:
        self._gathered.append(self._form.end(self._incomplete))
        await self._send(last=True)
        await self.response.write_eof()

    async def write(self, lines: bytes) -> None:
        """Take some rows, each after a comma."""
        self._gathered.append(self._form.rows(lines))
        self._size += len(lines)
        if self._size >= _PIECE or not self.response.prepared:
            await self._send()

    def _choose(self) -> Compressor | None:
        encoding = choose_encoding(self._request.headers.get("Accept-Encoding", ""))
        if encoding is None or self._form.compressed:
            return None
        self.response.headers["Content-Encoding"] = encoding
        if encoding == "gzip":
            return zlib.compressobj(1, zlib.DEFLATED, 31)
        compressor: Any = zstandard.ZstdCompressor(level=1).compressobj()
        return compressor  # type: ignore[no-any-return]

    async def _send(self, *, last: bool = False) -> None:
        piece, self._gathered, self._size = b"".join(self._gathered), [], 0
        if not self.response.prepared:
            self._request["answer_begun"] = True
            await self.response.prepare(self._request)
        if self._compressor is not None:
            piece = await asyncio.to_thread(_compress, self._compressor, piece, last)
        if piece:
            if self._rendering is not None:
                self._rendering.take(piece)
            try:
                await asyncio.wait_for(self.response.write(piece), _STALL)
            except TimeoutError as error:
                self._cut("its reader takes next to nothing")
                raise ConnectionAbortedError("the reader takes next to nothing") from error

    async def _cut_when_stopping(self, stopping: asyncio.Event) -> None:
        """Reset the connection if the worker stops and the answer does not end soon: a write that waits fails."""
        await stopping.wait()
        await asyncio.sleep(_FAREWELL)
        self._cut("the worker stops")

    def _cut(self, reason: str) -> None:
        log.warning("an answer was cut", path=self._request.rel_url.raw_path, reason=reason)
        if self._request.transport is not None:
            self._request.transport.abort()


def _compress(compressor: Compressor, piece: bytes, last: bool) -> bytes:
    compressed = compressor.compress(piece)
    return compressed + compressor.flush() if last else compressed
