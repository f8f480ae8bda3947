"""An answer rendered from COPY, compressed on the way if the client accepts that."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Protocol

import zstandard
from aiohttp import web
from isal import isal_zlib

from msr_stream.segments import Rendering
from web.delivery import Delivery
from web.forms import Form, form_of

#: Bytes gathered before they are compressed and sent.
_PIECE = 256 * 1024


class Compressor(Protocol):
    """ISA-L's and zstandard's compression objects, as far as they are used."""

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

    At its end all was rendered, not delivered: what the reading has taken can be given back, and then `sent` awaited.
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
        self._response = web.StreamResponse(headers=headers)
        self._form, self._incomplete = form or form_of(request), incomplete
        self._response.content_type = self._form.media_type
        self._compressor = self._choose()
        self._gathered: list[bytes] = [self._form.beginning]
        self._size = 0
        self._begun = False
        self._delivery = Delivery(request, self._response)

    async def __aenter__(self) -> Answer:
        """Nothing is sent yet: an error until the first piece is still an error answer."""
        self._delivery.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the answer, if it is whole."""
        if error is not None:
            self._delivery.give_up()
            return
        try:
            self._gathered.append(self._form.end(self._incomplete))
            await self._send(last=True)
        except BaseException:
            self._delivery.give_up()
            raise
        self._delivery.finish()

    async def sent(self) -> web.StreamResponse:
        """The response, once the reader has it all.

        Raises:
            ConnectionError: the reader has gone, or was cut.
        """
        await self._delivery.ended()
        return self._response

    async def write(self, lines: bytes) -> None:
        """Take some rows, each after a comma."""
        self._gathered.append(self._form.rows(lines))
        self._size += len(lines)
        if self._size >= _PIECE or not self._begun:
            await self._send()

    def _choose(self) -> Compressor | None:
        encoding = choose_encoding(self._request.headers.get("Accept-Encoding", ""))
        if encoding is None or self._form.compressed:
            return None
        self._response.headers["Content-Encoding"] = encoding
        if encoding == "gzip":
            return isal_zlib.compressobj(1, isal_zlib.DEFLATED, 31)  # 31: gzip's header and checksum
        compressor: Any = zstandard.ZstdCompressor(level=1).compressobj()
        return compressor  # type: ignore[no-any-return]

    async def _send(self, *, last: bool = False) -> None:
        piece, self._gathered, self._size, self._begun = b"".join(self._gathered), [], 0, True
        if self._compressor is not None:
            piece = await asyncio.to_thread(_compress, self._compressor, piece, last)
        if self._rendering is not None:
            self._rendering.take(piece)
        await self._delivery.put(piece)


def _compress(compressor: Compressor, piece: bytes, last: bool) -> bytes:
    compressed = compressor.compress(piece)
    return compressed + compressor.flush() if last else compressed
