"""The past as it comes to be: events as they settle, for as long as somebody listens (server-sent events)."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec
from aiohttp import web
from pydantic import Field

from msr_stream import instants, logs
from msr_stream.errors import BadRequest, Unavailable
from msr_stream.instants import SECOND
from msr_stream.replay import Bounds, EventsQuery, Filter, live_filter
from msr_stream.runtime import Runtime
from web import reading
from web.middleware import limited, runtime
from web.models import Chosen, Moment, Request
from web.routes import CALLER, Requires, Route
from web.stream import EventStream

log = logs.get(__name__)

_PLACE = re.compile(r"[0-9]{1,18}(\.[0-9]{1,9})?")

#: Longest window that is read at a time: what is gathered of it stays small.
_SLICE = 5 * SECOND


class LiveParams(Chosen, Request):
    """From when on."""

    since: Moment = Field(description="RFC 3339 with offset; what happened after it")
    session_id: str | None = Field(None, description="the session that the call belongs to")


class Place(NamedTuple):
    """How far a client has got: `seen` events of an instant, or all of them (`None`).

    The id of an event is its place, so that a client that comes again gets each event once: what is settled never
    changes, hence neither does an event's number among those of its instant that were asked for.
    """

    instant: int
    seen: int | None = None

    def __str__(self) -> str:
        return str(self.instant) if self.seen is None else f"{self.instant}.{self.seen}"

    @classmethod
    def parse(cls, text: str) -> Place:
        """The place that a `Last-Event-ID` names.

        Raises:
            BadRequest: it is none.
        """
        instant, dot, seen = text.partition(".")
        if _PLACE.fullmatch(text) is None:
            raise BadRequest(f"Last-Event-ID: got {text!r}, wants the id of an event of this stream")
        return cls(int(instant), int(seen) if dot else None)


class _Stamp(msgspec.Struct):
    event_timestamp: str


@limited
async def live(request: web.Request) -> web.StreamResponse:
    """What is recorded, as it settles: `change` for each event in order, `settled` once an instant is told whole."""
    parts = runtime(request)
    place, chosen = _place(request), live_filter(reading.lists(request))
    standing = await parts.standings.at(None)
    bounds = standing.bounds if standing is not None else Bounds(instants.now(), instants.FIRST, 0, None, shards=False)
    bounds.check(place.instant)
    async with (
        EventStream(request, parts.stopping, request[CALLER].expires_at) as stream,
        parts.tide.follow() as tide,
    ):
        async for settled in stream.items(tide):
            try:
                place = await _tell(request, stream, place, settled, chosen)
            except Unavailable as error:
                log.info("a live stream waits", reason=str(error))
    return stream.response


async def _tell(request: web.Request, stream: EventStream, place: Place, settled: int, chosen: Filter) -> Place:
    """Send what has settled after a place; returns the new one."""
    parts = runtime(request)
    while place.instant < settled and not parts.stopping.is_set():
        end = min(place.instant + _SLICE, settled)
        for event_id, line in await _read(parts, request[CALLER].tenant, place, end, chosen):
            await stream.send_raw("change", line, event_id)
        place = Place(end)
        await stream.send("settled", {"settled_until": instants.render(end)}, str(place))
    return place


def _place(request: web.Request) -> Place:
    if last := request.headers.get("Last-Event-ID"):
        return Place.parse(last)
    return Place(reading.query(request, LiveParams).since)


async def _read(parts: Runtime, tenant: str, place: Place, end: int, chosen: Filter) -> list[tuple[str, bytes]]:
    """The events after a place and up to an instant, each with its id."""
    start = place.instant if place.seen is None else place.instant - 1
    pieces: list[bytes] = []

    async def gather(piece: bytes) -> None:
        pieces.append(piece)

    async with parts.replay.snapshot(tenant, end) as snapshot:
        snapshot.resolve(end)
        await snapshot.events(EventsQuery(start, end, chosen), gather)
    found, instant, number = [], -1, 0
    for row in b"".join(pieces).splitlines():
        line = row[1:]
        at = instants.parse(msgspec.json.decode(line, type=_Stamp).event_timestamp)
        number = number + 1 if at == instant else 1
        instant = at
        if at > place.instant or (place.seen is not None and number > place.seen):
            found.append((str(Place(at, number)), line))
    return found


ROUTES = [
    Route("GET", "/replay/live", live, Requires.TENANT, "replay", query=LiveParams, raw="text/event-stream",
          errors=(400, 429, 503)),
]  # fmt: skip
