"""Answers that never change, given again: not at all (304), from a segment, or rendered and kept for the next one.

Caching headers by RFC 9111: private, and asked about every time, since erasure may change the past after all.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any
from urllib.parse import quote

from aiohttp import web

from msr_stream import instants
from msr_stream.segments import Rendering, key_of
from msr_stream.store.standing import Standing
from web.forms import media_type_of
from web.middleware import runtime
from web.routes import CALLER
from web.streaming import choose_encoding

#: Parameters that say who asks or when, not for what.
_NOT_CONTENT = {"session_id", "timestamp", "start", "end", "from", "to"}
#: Longer lists of tables are only in the body; clients and proxies take no longer header.
_LONGEST_HEADER = 4000


class Cached:
    """One answer and its segment.

    Args:
        request: who asks for it.
        standing: where the history stands; `None`: the answer may still change, nothing is kept.
        moments: the resolved instants that it is about.
    """

    def __init__(self, request: web.Request, standing: Standing | None, moments: Sequence[int]) -> None:
        self._request, self._standing = request, standing
        self._kept = standing is not None and not standing.missing.pending
        self._encoding = choose_encoding(request.headers.get("Accept-Encoding", ""))
        if self._kept and standing is not None:
            asked = sorted((name, value) for name, value in request.query.items() if name not in _NOT_CONTENT)
            tenant = request[CALLER].tenant
            names = standing.missing.names
            content = key_of(standing.epoch, tenant, request.path, list(moments), asked, names, media_type_of(request))
            self._etag = f'W/"{content.rsplit(":", 1)[1]}"'
            self._key = key_of(content, self._encoding)

    @property
    def headers(self) -> dict[str, str]:
        """What tells the client how long the answer is good."""
        if not self._kept:
            return {"Cache-Control": "no-store"}
        return {"Cache-Control": "private, no-cache", "ETag": self._etag}

    async def serve(self) -> web.Response | None:
        """The answer, if the client has it already or a segment of it is there."""
        if not self._kept:
            return None
        headers = self.headers | {"Vary": "Accept, Accept-Encoding", **self._about()}
        if self._etag in _tags(self._request.headers.get("If-None-Match", "")):
            return web.Response(status=304, headers=headers)
        if self._encoding is None:
            return None
        body = await runtime(self._request).segments.find(self._key)
        if body is None:
            return None
        headers["Content-Encoding"] = self._encoding
        return web.Response(body=body, content_type=media_type_of(self._request), headers=headers)

    def rendering(self) -> AbstractAsyncContextManager[Rendering | None]:
        """Around the rendering of an answer that `serve` did not have; yields what takes its pieces, if it is kept.

        Only compressed answers are: memory must not grow with those of clients that take none.
        """
        if not self._kept or self._encoding is None:
            return nullcontext()
        rendering: Any = runtime(self._request).segments.rendering(self._key)
        return rendering  # type: ignore[no-any-return]

    def _about(self) -> dict[str, str]:
        assert self._standing is not None
        return about(self._standing.bounds.latest_answer, self._standing.missing.names)


def about(settled: int | None, incomplete: Sequence[str]) -> dict[str, str]:
    """The headers that say how far the past is settled, and of which tables an answer may not have all."""
    headers = {} if settled is None else {"X-Settled-Until": instants.render(settled)}
    if incomplete:
        named = quote(",".join(incomplete), safe=",.*_- ")
        headers["X-Incomplete"] = named if len(named) <= _LONGEST_HEADER else "*"
    return headers


def _tags(header: str) -> set[str]:
    """The tags that a client says it has (RFC 9110, section 13.1.2); weak comparison."""
    tags = {tag.strip() for tag in header.split(",")}
    return {tag if tag.startswith("W/") else f"W/{tag}" for tag in tags if tag}
