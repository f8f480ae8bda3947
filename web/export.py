"""A clip to take along: the state at one instant and the events up to another, as a file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from aiohttp import web
from pydantic import BaseModel, Field

from msr_stream import instants
from msr_stream.clips.clip import Part, header
from msr_stream.clips.encoding import Encoder
from msr_stream.clips.formats import MEDIA_TYPES, Format, encoder
from msr_stream.replay import events_query, state_query
from web import reading
from web.cached import about
from web.middleware import limited
from web.models import Time
from web.replay import FilterParams
from web.routes import Requires, Route
from web.streaming import Answer
from web.worlds import world_of

#: So many bytes of rows are encoded at a time, beside the event loop.
_PIECE = 256 * 1024
_NO_FILTERS = {"start", "end", "format", "session_id", "source"}


class FormatParams(BaseModel):
    """As what."""

    format: Format = Field("ndjson", description="`ndjson` and `mcap` can be imported again")


class ExportParams(FilterParams, FormatParams):
    """Which window, as what."""

    start: Time = Field(description="RFC 3339 with offset; the clip begins with the state at this instant")
    end: Time = Field(description="RFC 3339 with offset; up to and with it")


class _Form:
    """An encoder's bytes, as an answer sends them."""

    def __init__(self, clip: Encoder) -> None:
        self.media_type, self.compressed, self.beginning = clip.media_type, clip.compressed, clip.begin()
        self.last = b""

    def rows(self, lines: bytes) -> bytes:
        """They are encoded already."""
        return lines

    def end(self, incomplete: Sequence[str]) -> bytes:
        """What the encoder has given in the end; the header has named what is incomplete."""
        return self.last


class _Sink:
    """Takes rows, and passes them on encoded, some at a time; memory does not grow with the clip."""

    def __init__(self, answer: Answer, encode: Callable[[bytes], bytes]) -> None:
        self._answer, self._encode = answer, encode
        self._lines: list[bytes] = []
        self._size = 0

    async def __call__(self, lines: bytes) -> None:
        """Some rows."""
        self._lines.append(lines)
        self._size += len(lines)
        if self._size >= _PIECE:
            await self.flush()

    async def flush(self) -> None:
        """Pass on what is there."""
        lines, self._lines, self._size = b"".join(self._lines), [], 0
        if lines:
            await self._answer.write(await asyncio.to_thread(self._encode, lines))


@limited
async def export(request: web.Request) -> web.StreamResponse:
    """The state at `start` and all that changed after it up to `end`, as one file that ends with its count of rows.

    ndjson: a line each for a header, the rows and the count. geojson: a feature for each row, where it has a position.
    czml: for Cesium. parquet: a table. mcap: for Foxglove. The file's header names what is incomplete.
    """
    chosen = reading.query(request, FormatParams).format
    params, multi = dict(request.query), {name: request.query.getall(name) for name in request.query}
    events = events_query(params, multi)
    state = state_query(params | {"timestamp": params["start"]}, multi)
    world = await world_of(request)
    world.check_early(events.end)
    async with world.snapshot(events.end) as snapshot:
        window = (events.start, events.end)
        snapshot.bounds.check_window(*window)
        snapshot.resolve(events.end)
        incomplete, settled = (
            await snapshot.incomplete(events.end, events.start, events.filter.named_tables),
            snapshot.resolve(None),
        )
        filters = {name: values for name, values in multi.items() if name not in _NO_FILTERS}
        clip = await asyncio.to_thread(encoder, chosen, header(snapshot.tenant, window, settled, incomplete, filters))
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{_file_name(window, clip.extension)}"',
            "Vary": "Accept-Encoding",
        }
        form = _Form(clip)
        async with Answer(request, headers | about(settled, incomplete), incomplete, form=form) as answer:
            sinks = {part: _Sink(answer, partial(clip.rows, part)) for part in Part}
            await snapshot.state(state, events.start, sinks[Part.STATE])
            await sinks[Part.STATE].flush()
            await snapshot.events(events, sinks[Part.EVENT])
            await sinks[Part.EVENT].flush()
            form.last = await asyncio.to_thread(clip.end)
    return await answer.sent()


def _file_name(window: tuple[int, int], extension: str) -> str:
    """A name that sorts by time, and that every file system takes."""
    start, end = (f"{instants.as_datetime(moment):%Y%m%dT%H%M%SZ}" for moment in window)
    return f"msr-{start}-{end}.{extension}"


ROUTES = [
    Route(
        "GET",
        "/replay/export",
        export,
        Requires.TENANT,
        "replay",
        query=ExportParams,
        raw=MEDIA_TYPES,
        errors=(429,),
    ),
]
