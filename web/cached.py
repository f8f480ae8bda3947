"""Answers that never change, given again: not at all (304), from a segment, or rendered and kept for the next one.

Caching headers by RFC 9111: private, and asked about every time, since erasure may change the past after all.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any
from urllib.parse import quote

from aiohttp import web
from multidict import MultiMapping

from msr_stream import instants
from msr_stream.segments import Rendering, key_of
from msr_stream.store.snapshot import Snapshot
from msr_stream.store.standing import Standing
from web.delivery import deliver
from web.forms import media_type_of
from web.middleware import runtime
from web.routes import CALLER
from web.streaming import choose_encoding

#: Parameters that say who asks or when, not for what.
_NOT_CONTENT = {"session_id", "timestamp", "start", "end", "from", "to"}
#: Parameters that are sets of names, with commas or repeated.
_SETS = {"filter_tables", "tables", "fields"}
#: Longer lists of tables are only in the body; clients and proxies take no longer header.
_LONGEST_HEADER = 4000


class Cached:
    """One answer and its segment.

    Args:
        request: who asks for it.
        standing: where the history stands; `None`: the answer may still change, nothing is kept.
        moments: the resolved instants that it is about.
        tables: the tables that it is about; empty: all.

    Raises:
        NotAcceptable: the client takes no form that there is.
    """

    def __init__(
        self, request: web.Request, standing: Standing | None, moments: Sequence[int], tables: Sequence[str] = ()
    ) -> None:
        self._request, self._standing = request, standing
        self._media_type = media_type_of(request)
        self._missing = standing.missing.among(tables) if standing is not None else None
        self._kept = self._missing is not None and not self._missing.pending
        self._encoding = choose_encoding(request.headers.get("Accept-Encoding", ""))
        if self._kept and standing is not None and self._missing is not None:
            tenant, names = request[CALLER].tenant, self._missing.names
            asked = asked_for(request.query)
            content = key_of(standing.epoch, tenant, request.path, list(moments), asked, names, self._media_type)
            self._etag = f'W/"{content.rsplit(":", 1)[1]}"'
            self._key = key_of(content, self._encoding)

    @property
    def headers(self) -> dict[str, str]:
        """What tells the client how long the answer is good."""
        if not self._kept:
            return {"Cache-Control": "no-store"}
        return {"Cache-Control": "private, no-cache", "ETag": self._etag}

    async def serve(self) -> web.StreamResponse | None:
        """The answer, if the client has it already or a segment of it is there.

        Raises:
            ConnectionError: the reader has gone, or was cut.
        """
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
        response = web.StreamResponse(headers=headers | {"Content-Encoding": self._encoding})
        response.content_type, response.content_length = self._media_type, len(body)
        await deliver(self._request, response, body)
        return response

    def rendering(self) -> AbstractAsyncContextManager[Rendering | None]:
        """Around the rendering of an answer that `serve` did not have; yields what takes its pieces, if it is kept.

        Only compressed answers are: memory must not grow with those of clients that take none.
        """
        if not self._kept or self._encoding is None:
            return nullcontext()
        rendering: Any = runtime(self._request).segments.rendering(self._key)
        return rendering  # type: ignore[no-any-return]

    def confirm(self, snapshot: Snapshot, incomplete: Sequence[str], rendering: Rendering | None) -> None:
        """Keep nothing under the name of what was looked at before, if the snapshot shows something else.

        On replicas an epoch may even be older in the second look than in the first.
        """
        standing, known = self._standing, self._missing
        if not self._kept or standing is None or known is None:
            return
        if (snapshot.epoch, incomplete) == (standing.epoch, known.names):
            return
        self._kept = False
        if rendering is not None:
            rendering.drop()

    def _about(self) -> dict[str, str]:
        assert self._standing is not None
        assert self._missing is not None
        return about(self._standing.bounds.latest_answer, self._missing.names)


def about(settled: int | None, incomplete: Sequence[str]) -> dict[str, str]:
    """The headers that say how far the past is settled, and of which tables an answer may not have all."""
    headers = {} if settled is None else {"X-Settled-Until": instants.render(settled)}
    if incomplete:
        named = quote(",".join(incomplete), safe=",.*_- ")
        headers["X-Incomplete"] = named if len(named) <= _LONGEST_HEADER else "*"
    return headers


def asked_for(query: MultiMapping[str]) -> list[tuple[str, str]]:
    """The parameters that say for what; in whichever order they and their names came, it is the same answer.

    Of one that is no list and is given more than once the first counts, as where it is read.
    """
    single = {(name, query[name]) for name in query if name not in _NOT_CONTENT | _SETS}
    listed = {
        (name, part.strip())
        for name in _SETS
        for value in query.getall(name, [])
        for part in value.split(",")
        if part.strip()
    }
    return sorted(single | listed)


def _tags(header: str) -> set[str]:
    """The tags that a client says it has (RFC 9110, section 13.1.2); weak comparison."""
    tags = {tag.strip() for tag in header.split(",")}
    return {tag if tag.startswith("W/") else f"W/{tag}" for tag in tags if tag}
