"""The past as it comes to be: events as they settle, for as long as somebody listens (server-sent events)."""

from __future__ import annotations

import orjson
from aiohttp import web
from pydantic import Field

from msr_stream import instants, logs
from msr_stream.bounds import Bounds
from msr_stream.errors import Unavailable
from msr_stream.instants import DAY
from msr_stream.live import Place, Spot, next_part
from msr_stream.replay import Filter, live_filter
from msr_stream.store import planning
from msr_stream.store.live import behind, tell
from web import reading
from web.middleware import limited, runtime
from web.models import Chosen, Moment, Request
from web.routes import CALLER, Requires, Route
from web.stream import EventStream

log = logs.get(__name__)

#: Bytes gathered before they are sent while a snapshot is held; what is less is sent when it was let go.
_GATHERED = 1 << 20
#: Bytes told from one snapshot, about: then the next who waits for a turn has one.
_A_TURN = 8 << 20
#: The most of a quiet past that is read at a time.
_LONGEST = 366 * DAY


class LiveParams(Chosen, Request):
    """From when on."""

    since: Moment = Field(description="RFC 3339 with offset; what happened after it")
    session_id: str | None = Field(None, description="the session that the call belongs to")


@limited
async def live(request: web.Request) -> web.StreamResponse:
    """What is recorded, as it settles: `change` for each event in order, `settled` once an instant is told whole.

    `settled` names, as `incomplete`, tables of which more up to it may still come: of a source that is silent. Once
    that is back, what happened meanwhile is told, in order by entity, with times before those told already.
    """
    parts = runtime(request)
    place, chosen = _place(request), live_filter(reading.lists(request))
    standing = await parts.standings.at(None)
    bounds = standing.bounds if standing is not None else Bounds(instants.now(), instants.FIRST, 0, None, shards=False)
    bounds.check(place.spot.instant)
    async with (
        EventStream(request, parts.stopping, request[CALLER].expires_at) as stream,
        parts.tide.follow() as tide,
    ):
        listener = _Listener(request, stream, place, chosen)
        async for settled in stream.items(tide):
            try:
                while not stream.over and await listener.advance(settled):
                    pass
            except Unavailable as error:
                log.info("a live stream waits", reason=str(error))
    return stream.response


class _Listener:
    """One client, and how far it has been told."""

    def __init__(self, request: web.Request, stream: EventStream, place: Place, chosen: Filter) -> None:
        self._replay, self._tenant, self._stream = runtime(request).replay, request[CALLER].tenant, stream
        self._place, self._length = place, planning.FIRST_SLICE
        self._chosen = chosen
        self._frames: list[bytes] = []
        self._size = 0

    async def advance(self, settled: int) -> bool:
        """Tell some of what was settled and not told; returns whether there may be more."""
        if self._place == Place(Spot(settled)):
            return False
        try:
            async with self._replay.snapshot(self._tenant, settled) as snapshot:
                snapshot.resolve(settled)
                snapshot.bounds.check(self._place.spot.instant)
                self._place = self._place.not_before(snapshot.bounds.earliest)
                known = await behind(snapshot, settled, self._place.late_shards)
                told = 0
                while told < _A_TURN:
                    self._place, part = next_part(self._place, settled, known.own, self._length)
                    if part is None:
                        return False
                    late = self._place.late_shards
                    self._place, size = await tell(snapshot, self._place, part, self._chosen, self._change)
                    told, self._length = told + size, min(planning.next_length(self._length, size), _LONGEST)
                    if part.front is None or self._place.late_shards != late:
                        self._settled(known.names(self._place.late_shards, self._chosen.named_tables))
        finally:
            await self._send()
        return True

    async def _change(self, place: Place, line: bytes) -> None:
        self._place = place
        self._gather(EventStream.frame("change", line, str(place)))
        if self._size > _GATHERED:
            await self._send()

    def _settled(self, incomplete: list[str]) -> None:
        """All shards but the late ones are told up to here."""
        data = {"settled_until": instants.render(self._place.spot.instant), "incomplete": incomplete}
        self._gather(EventStream.frame("settled", orjson.dumps(data), str(self._place)))

    def _gather(self, frame: bytes) -> None:
        self._frames.append(frame)
        self._size += len(frame)

    async def _send(self) -> None:
        frames, self._frames, self._size = b"".join(self._frames), [], 0
        if frames:
            await self._stream.write(frames)


def _place(request: web.Request) -> Place:
    if last := request.headers.get("Last-Event-ID"):
        return Place.parse(last)
    return Place(Spot(reading.query(request, LiveParams).since))


ROUTES = [
    Route("GET", "/replay/live", live, Requires.TENANT, "replay", query=LiveParams, raw="text/event-stream",
          errors=(400, 429, 503)),
]  # fmt: skip
