"""The past: the state at an instant, and the events of a window."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

from aiohttp import web
from pydantic import BaseModel, Field

from msr_stream import instants
from msr_stream.replay import events_query, state_query
from msr_stream.store.replay import Snapshot
from web.middleware import limited, runtime
from web.models import Json, Time
from web.routes import CALLER, Requires, Route
from web.streaming import Answer

#: Longest list of tables in a header, bytes; the body has all of them.
_HEADER = 4000


class FilterParams(BaseModel):
    """What is left out: rows and events of these tables that are older than an instant; the two go together."""

    filter_tables: list[str] | None = Field(None, description="schema.table, several with commas or repeated")
    filter_min_timestamp: Time | None = Field(None, description="RFC 3339 with offset")


class StateParams(FilterParams):
    """Which moment."""

    timestamp: Time | None = Field(None, description="RFC 3339 with offset; none: the latest settled moment")


class EventsParams(FilterParams):
    """Which window."""

    start: Time = Field(description="RFC 3339 with offset; what happened after it")
    end: Time = Field(description="RFC 3339 with offset; up to and with it")


class EventView(BaseModel):
    """A change as it was recorded."""

    entity_id: str
    entity_state: Json | None
    op: Literal["c", "r", "u", "d"]
    event_timestamp: Time
    table_name: str


@limited
async def state(request: web.Request) -> web.StreamResponse:
    """The state of every live entity at an instant."""
    query = state_query(request.query, _lists(request))
    tenant = request[CALLER].tenant
    replay = runtime(request).replay
    replay.check_early(query.at)
    async with replay.snapshot(tenant, query.at) as snapshot:
        if query.at is not None:
            snapshot.bounds.check(query.at)
        at = snapshot.resolve(query.at)
        async with Answer(request, *await _headers(snapshot, at)) as answer:
            await snapshot.state(query, at, answer.write)
    return answer.response


@limited
async def events(request: web.Request) -> web.StreamResponse:
    """Everything that changed in a window, in order."""
    query = events_query(request.query, _lists(request))
    tenant = request[CALLER].tenant
    replay = runtime(request).replay
    replay.check_early(query.end)
    async with replay.snapshot(tenant, query.end) as snapshot:
        snapshot.bounds.check_window(query.start, query.end)
        snapshot.resolve(query.end)
        async with Answer(request, *await _headers(snapshot, query.end, query.start)) as answer:
            await snapshot.events(query, answer.write)
    return answer.response


def _lists(request: web.Request) -> dict[str, list[str]]:
    return {name: request.query.getall(name) for name in request.query}


async def _headers(snapshot: Snapshot, at: int, start: int | None = None) -> tuple[dict[str, str], list[str]]:
    """An answer's headers, and the tables of which it may not have all."""
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
    latest = snapshot.bounds.latest_answer
    if latest is not None:
        headers["X-Settled-Until"] = instants.render(latest)
    if incomplete := await snapshot.incomplete(at, start):
        named = quote(",".join(incomplete), safe=",.*_- ")
        headers["X-Incomplete"] = named if len(named) <= _HEADER else "*"
    return headers, incomplete


ROUTES = [
    Route(
        "GET",
        "/replay/state",
        state,
        Requires.TENANT,
        "replay",
        query=StateParams,
        data=list[EventView],
        errors=(429,),
        streamed=True,
    ),
    Route(
        "GET",
        "/replay/events",
        events,
        Requires.TENANT,
        "replay",
        query=EventsParams,
        data=list[EventView],
        errors=(429,),
        streamed=True,
    ),
]
