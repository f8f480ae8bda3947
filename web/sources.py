"""Sources: how far recording is, connectors started anew, snapshots on demand, tables that end."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from msr_stream import instants
from msr_stream.overview import SourceState
from msr_stream.sources import SnapshotType
from msr_stream.store.audit import Actor
from web import answers, reading
from web.middleware import runtime
from web.routes import CALLER, Requires, Route


class Restarted(BaseModel):
    """The connectors that were told to start anew."""

    source: str
    connectors: list[str]


class Wish(BaseModel):
    """Which tables are sent whole, all of the source's if none is named, and how."""

    model_config = ConfigDict(extra="forbid")

    tables: Annotated[list[str], Field(min_length=1, max_length=1000)] | None = None
    type: SnapshotType = "blocking"


class Requested(BaseModel):
    """What was asked of the capture; it begins within seconds."""

    source: str
    tables: list[str]
    type: SnapshotType


class Retired(BaseModel):
    """A table that has ended; `entities` is how many lived until now."""

    source: str
    table: str
    retired_at: str
    entities: int


async def overview(request: web.Request) -> web.Response:
    """Every source with its connectors, its tables and how far each shard is recorded."""
    return answers.data(await runtime(request).sources.overview())


async def restart(request: web.Request) -> web.Response:
    """Start a source's connectors and their tasks anew."""
    source = request.match_info["source"]
    names = await runtime(request).sources.restart(source, _actor(request))
    return answers.data(Restarted(source=source, connectors=names), message="Restart requested")


async def snapshot(request: web.Request) -> web.Response:
    """Ask the capture to send tables of a source whole: rows that are gone end. An incremental one delays no change."""
    source, wish = request.match_info["source"], await reading.body(request, Wish)
    tables = await runtime(request).sources.snapshot(source, wish.tables, wish.type, _actor(request))
    return answers.data(Requested(source=source, tables=tables, type=wish.type), message="Snapshot requested")


async def retire(request: web.Request) -> web.Response:
    """End a table that is gone: its entities are deleted now, and it holds the settled instant back no longer."""
    source, table = request.match_info["source"], request.match_info["table"]
    ended = await runtime(request).sources.retire(source, table, _actor(request))
    retired = Retired(source=source, table=table, retired_at=instants.render(ended.retired_at), entities=ended.entities)
    return answers.data(retired, message="Table retired")


def _actor(request: web.Request) -> Actor:
    return Actor(request[CALLER], request["correlation_id"])


_ONE = "/admin/sources/{source}"
ROUTES = [
    Route("GET", "/admin/sources", overview, Requires.ADMIN, "sources", data=list[SourceState], errors=(503,)),
    Route("POST", f"{_ONE}/restart", restart, Requires.SYSTEM, "sources", data=Restarted, errors=(404, 503)),
    Route(
        "POST", f"{_ONE}/snapshot", snapshot, Requires.SYSTEM, "sources",
        body=Wish, data=Requested, errors=(400, 404, 409, 413, 503),
    ),
    Route("POST", _ONE + "/{table}/retire", retire, Requires.SYSTEM, "sources", data=Retired, errors=(404, 503)),
]  # fmt: skip
