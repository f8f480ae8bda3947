"""The past: the state at an instant, and the events of a window."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel, Field

from msr_stream.replay import diff_query, events_query, state_query
from msr_stream.segments import Rendering
from msr_stream.store.diff import diff as differences
from msr_stream.store.sinks import Sink
from msr_stream.store.snapshot import Snapshot
from web.cached import Cached, about
from web.middleware import limited
from web.models import Chosen, Json, Time
from web.reading import lists
from web.routes import Requires, Route
from web.streaming import Answer
from web.worlds import SourceParams, world_of


class FilterParams(Chosen, SourceParams):
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


class DiffParams(BaseModel):
    """Between which moments."""

    from_: Time = Field(alias="from", description="RFC 3339 with offset")
    to: Time = Field(description="RFC 3339 with offset; not before `from`")
    tables: list[str] | None = Field(None, description="nothing but these: schema.table, with commas or repeated")
    fields: list[str] | str | None = Field(
        None,
        description="nothing but these columns of each entity_state, likewise, which changed entities then have too; "
        "`changed` has every field that did; one unknown is not there",
    )


class DifferenceView(BaseModel):
    """An entity that is not at the second moment what it was at the first.

    Attributes:
        change: what has become of it.
        event_timestamp: of its last event between the two.
        entity_state: as it is if it was created, as it was if it is deleted; as it is if it has changed and `fields`
            were named.
        changed: field by field what was and what is.
        unavailable_fields: fields whose value is not known at one of the two: they may have changed.
    """

    table_name: str
    entity_id: str
    event_timestamp: Time
    change: Literal["created", "changed", "deleted"]
    entity_state: Json | None = None
    changed: dict[str, dict[str, Any]] | None = None
    unavailable_fields: list[str] | None = None


@limited
async def state(request: web.Request) -> web.StreamResponse:
    """The state of every live entity at an instant."""
    query = state_query(request.query, lists(request))
    world = await world_of(request)
    world.check_early(query.at)
    standing = await world.standing(query.at)
    moment = query.at
    if standing is not None:
        moment = standing.bounds.latest_answer if query.at is None else query.at
        assert moment is not None
        standing.bounds.check(moment)
    cached = Cached(request, standing, [moment] if moment is not None else [], query.filter.named_tables)
    if (kept := await cached.serve()) is not None:
        return kept
    async with cached.rendering() as rendering, world.snapshot(moment) as snapshot:
        if moment is not None:
            snapshot.bounds.check(moment)
        at = snapshot.resolve(moment)
        headers, incomplete = await _headers(snapshot, at, cached, rendering, query.filter.named_tables)
        async with Answer(request, headers, incomplete, rendering) as answer:
            await snapshot.state(query, at, answer.write)
    return await answer.sent()


@limited
async def events(request: web.Request) -> web.StreamResponse:
    """Everything that changed in a window, in order."""
    query = events_query(request.query, lists(request))

    async def read(snapshot: Snapshot, sink: Sink) -> None:
        await snapshot.events(query, sink)

    return await _of_window(request, (query.start, query.end), query.filter.named_tables, read)


@limited
async def diff(request: web.Request) -> web.StreamResponse:
    """What differs between two moments: entities created, changed and deleted; shard by shard, by table and entity."""
    query = diff_query(request.query, lists(request))

    async def read(snapshot: Snapshot, sink: Sink) -> None:
        await differences(snapshot, query, sink)

    return await _of_window(request, (query.start, query.end), query.tables, read)


async def _of_window(
    request: web.Request,
    window: tuple[int, int],
    tables: Sequence[str],
    read: Callable[[Snapshot, Sink], Awaitable[None]],
) -> web.StreamResponse:
    """What is read of a window, of some tables or, with none named, of all."""
    start, end = window
    world = await world_of(request)
    world.check_early(end)
    standing = await world.standing(end, start)
    if standing is not None:
        standing.bounds.check_window(start, end)
    cached = Cached(request, standing, window, tables)
    if (kept := await cached.serve()) is not None:
        return kept
    async with cached.rendering() as rendering, world.snapshot(end) as snapshot:
        snapshot.bounds.check_window(start, end)
        snapshot.resolve(end)
        headers, incomplete = await _headers(snapshot, end, cached, rendering, tables, start)
        async with Answer(request, headers, incomplete, rendering) as answer:
            await read(snapshot, answer.write)
    return await answer.sent()


async def _headers(
    snapshot: Snapshot,
    at: int,
    cached: Cached,
    rendering: Rendering | None,
    tables: Sequence[str],
    start: int | None = None,
) -> tuple[dict[str, str], list[str]]:
    """An answer's headers, and the tables of which it may not have all."""
    incomplete = await snapshot.incomplete(at, start, tables)
    cached.confirm(snapshot, incomplete, rendering)
    known = about(snapshot.bounds.latest_answer, incomplete)
    return cached.headers | {"Vary": "Accept, Accept-Encoding"} | known, incomplete


ROUTES = [
    Route(
        "GET",
        "/replay/state",
        state,
        Requires.TENANT,
        "replay",
        query=StateParams,
        data=list[EventView],
        errors=(406, 429),
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
        errors=(406, 429),
        streamed=True,
    ),
    Route(
        "GET",
        "/replay/diff",
        diff,
        Requires.TENANT,
        "replay",
        query=DiffParams,
        data=list[DifferenceView],
        errors=(429,),
        streamed=True,
    ),
]
