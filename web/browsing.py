"""What there is to see in the past: activity, tables, and the history of one entity."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import BaseModel, Field

from msr_stream import instants
from msr_stream.bounds import Bounds
from msr_stream.instants import SECOND
from msr_stream.replay import field_names
from msr_stream.store import activity as counting
from msr_stream.store import browsing
from web import answers, reading
from web.middleware import limited
from web.models import Json, Moment, Paging, Time
from web.routes import Requires, Route
from web.worlds import SourceParams, world_of


class WindowParams(BaseModel):
    """After one instant and up to another."""

    start: Moment = Field(description="RFC 3339 with offset")
    end: Moment = Field(description="RFC 3339 with offset")


class ActivityParams(WindowParams, SourceParams):
    """In how many buckets."""

    buckets: Annotated[
        int, Field(ge=1, le=2000, description="at most; each is a part of an hour, whole hours or days long")
    ] = 200


class EntityParams(WindowParams, Paging, SourceParams):
    """Which page of its events, in order, and what of each."""

    fields: list[str] | str | None = Field(
        None, description="nothing but these columns, several with commas or repeated; one unknown is not there"
    )


class TablesParams(SourceParams):
    """As of when."""

    timestamp: Moment | None = Field(None, description="RFC 3339 with offset; none: the latest settled moment")


class RangeView(BaseModel):
    """Between what a replay may move: `settled_until` is null as long as nothing is settled."""

    earliest: Time
    settled_until: Time | None
    now: Time
    longest_window_seconds: int


class BucketView(BaseModel):
    """Changes of one kind in one bucket."""

    begin: Time
    table_name: str
    op: str
    changes: int


class ActivityView(BaseModel):
    """Changes over a window; buckets without any are left out."""

    bucket_seconds: int
    buckets: list[BucketView]


class LocationView(BaseModel):
    """In which columns, and how, the newest row says where its entity is."""

    kind: Literal["lonlat", "geojson", "wkt", "wkb"]
    columns: list[str]


class SeenTableView(BaseModel):
    """A table, its columns, key and location as its newest row shows them; `wide` are the columns with a long value.

    Retention may have left none of its changes, and its rows: then it has no first
    minute and no change.
    """

    table_name: str
    source: str
    columns: list[str]
    wide: list[str]
    key: list[str]
    location: LocationView | None
    changes: int
    first_minute: Time | None
    first_change_at: Time | None
    last_change_at: Time | None
    last_row_at: Time | None


class EntityEventView(BaseModel):
    """An event of one entity, and field by field what it has changed."""

    op: str
    event_timestamp: Time
    entity_state: Json | None
    changed: dict[str, dict[str, Any]]


async def bounds(request: web.Request) -> web.Response:
    """Between what a replay may move, and how far the past is settled."""
    world = await world_of(request)
    standing = await world.standing(None)
    if standing is not None:
        return answers.data(_range(standing.bounds))
    async with world.snapshot(None) as snapshot:
        return answers.data(_range(snapshot.bounds))


def _range(bounds: Bounds) -> dict[str, Any]:
    settled = bounds.latest_answer
    return {
        "earliest": instants.render(bounds.earliest),
        "settled_until": instants.render(settled) if settled is not None else None,
        "now": instants.render(bounds.now),
        "longest_window_seconds": bounds.longest // SECOND,
    }


@limited
async def activity(request: web.Request) -> web.Response:
    """How much happened when: changes after `start` and up to `end` by table and operation, exact also at both edges.

    Buckets begin at whole minutes, hours or days (UTC); over more than two days they are an hour long or longer.
    """
    asked = reading.query(request, ActivityParams)
    world = await world_of(request)
    world.check_early(asked.end)
    async with world.snapshot(asked.end) as snapshot:
        snapshot.bounds.check_window(asked.start, asked.end)
        snapshot.resolve(asked.end)
        return answers.data(await counting.activity(snapshot, asked.start, asked.end, asked.buckets))


@limited
async def tables(request: web.Request) -> web.Response:
    """The tables of which the caller may see something, with the columns of their newest rows."""
    asked = reading.query(request, TablesParams).timestamp
    world = await world_of(request)
    world.check_early(asked)
    async with world.snapshot(asked) as snapshot:
        if asked is not None:
            snapshot.bounds.check(asked)
        return answers.data(await counting.tables(snapshot, snapshot.resolve(asked)))


@limited
async def entity(request: web.Request) -> web.Response:
    """What happened to one entity, in order, with the fields that each event has changed."""
    asked, page = reading.query(request, EntityParams), reading.page(request, ())
    fields = field_names(reading.lists(request))
    world = await world_of(request)
    world.check_early(asked.end)
    name = request.match_info
    async with world.snapshot(asked.end) as snapshot:
        snapshot.bounds.check_window(asked.start, asked.end)
        snapshot.resolve(asked.end)
        window = (asked.start, asked.end)
        found, total = await browsing.entity(snapshot, name["table"], name["entity"], window, page, fields)
    return answers.paged(found, page._replace(sort=(("event_timestamp", "asc"),)), total)


ROUTES = [
    Route("GET", "/replay/range", bounds, Requires.TENANT, "replay", query=SourceParams, data=RangeView),
    Route("GET", "/replay/activity", activity, Requires.TENANT, "replay", query=ActivityParams, data=ActivityView,
          errors=(429,)),
    Route("GET", "/replay/tables", tables, Requires.TENANT, "replay", query=TablesParams, data=list[SeenTableView],
          errors=(429,)),
    Route("GET", "/replay/entity/{table}/{entity}", entity, Requires.TENANT, "replay", query=EntityParams,
          data=list[EntityEventView], paged=True, errors=(429,)),
]  # fmt: skip
