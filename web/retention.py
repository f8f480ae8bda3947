"""Retention: its state, a run on demand, tables with a time of their own, and one entity's history erased."""

from __future__ import annotations

from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, Field

from msr_stream import instants
from msr_stream.retention import Plan
from web import answers, reading
from web.admin import actor
from web.middleware import runtime
from web.models import Request, Time
from web.routes import Requires, Route


class RunView(BaseModel):
    """A run: `waiting` and `failed` ones are tried again."""

    run_id: int
    state: Literal["running", "waiting", "failed", "done"]
    step: str
    cutoff: Time | None
    started_at: Time
    touched_at: Time
    finished_at: Time | None
    partitions: int
    rows: int
    bytes: int
    worker: str
    username: str | None
    error: str | None


class TableView(BaseModel):
    """A table with a time of its own: before `retained_from`, answers name it in `X-Incomplete`."""

    table: str
    days: int | None
    retained_from: Time | None


class StatusView(BaseModel):
    """What was removed, and what will be."""

    enabled: bool = Field(description="whether the worker that was asked cleans up")
    cutoff: Time | None = Field(description="what a run would remove now is before this; null: nothing is settled")
    retained_from: Time | None = Field(description="nothing before this can be asked for any more")
    next_run: Time | None
    last_run: RunView | None
    tables: list[TableView]


class PartView(BaseModel):
    """A partition that goes; rows as the planner estimates them."""

    parent: str
    name: str
    rows: int
    bytes: int


class TableRows(BaseModel):
    """Rows that go of a table with a time of its own."""

    table: str
    cutoff: Time
    rows: int


class PlanView(BaseModel):
    """What goes, or has gone; without a `cutoff`: the run goes on, `GET /admin/retention` says how far it is."""

    dry_run: bool
    finished: bool
    cutoff: Time | None = None
    partitions: list[PartView] = []
    tables: list[TableRows] = []
    keyframes: int = Field(0, description="shards that get a keyframe first")
    rows: int = 0
    bytes: int = 0


class RunBody(Request):
    """Whether it is only said what would go."""

    dry_run: bool


class DaysBody(Request):
    """How long the history of a table is kept; null: as long as all history."""

    days: Annotated[int, Field(gt=0, le=36_500, strict=True)] | None


class EraseBody(Request):
    """Whose history goes, and why: the reason is kept."""

    table: Annotated[str, Field(min_length=1)]
    entity_id: Annotated[str, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class ErasedView(BaseModel):
    """What went; `open_answers` began before and may still show it, as others will while the replica is behind."""

    events: int
    keyframe_rows: int
    dead_letters: int
    open_answers: int
    replica_behind: bool


class DaysView(BaseModel):
    """What is set."""

    table: str
    days: int | None


async def status(request: web.Request) -> web.Response:
    """The last run, the next one, and what is left."""
    worker = runtime(request)
    return answers.data({"enabled": worker.retainer.enabled, **await worker.retention.status()})


async def run(request: web.Request) -> web.Response:
    """Remove what is too old now, or say what would go."""
    wish, worker = await reading.body(request, RunBody), runtime(request)
    if wish.dry_run:
        return answers.data(_view(await worker.retention.plan(), dry_run=True))
    plan = await worker.retainer.ask(actor(request))
    if plan is None:
        return answers.data(PlanView(dry_run=False, finished=False), message="The run goes on")
    return answers.data(_view(plan, dry_run=False))


async def table(request: web.Request) -> web.Response:
    """Keep a table's history for a shorter time than all history; the next run does it."""
    name, wish = request.match_info["table"], await reading.body(request, DaysBody)
    await runtime(request).retention.set_days(name, wish.days, actor(request))
    return answers.data(DaysView(table=name, days=wish.days))


async def erase(request: web.Request) -> web.Response:
    """Erase one entity's history: events, keyframe rows and dead letters, at once and for good."""
    wish = await reading.body(request, EraseBody)
    erased = await runtime(request).retention.erase(wish.table, wish.entity_id, wish.reason, actor(request))
    return answers.data(ErasedView(**erased), message="History erased")


def _view(plan: Plan, *, dry_run: bool) -> PlanView:
    cutoffs = plan.cutoffs
    tables = [
        TableRows(table=name, cutoff=instants.render(at), rows=plan.table_rows.get(name, 0))
        for name, at in cutoffs.tables.items()
    ]
    parts = [PartView(parent=p.parent, name=p.name, rows=p.rows, bytes=p.bytes) for p in plan.parts]
    return PlanView(
        dry_run=dry_run, finished=not dry_run, cutoff=instants.render(cutoffs.history), partitions=parts,
        tables=tables, keyframes=plan.keyframes, rows=plan.rows, bytes=plan.bytes,
    )  # fmt: skip


_ALL = "/admin/retention"
ROUTES = [
    Route("GET", _ALL, status, Requires.SYSTEM, "retention", data=StatusView, errors=(503,)),
    Route("POST", f"{_ALL}/run", run, Requires.SYSTEM, "retention", body=RunBody, data=PlanView, errors=(409, 503)),
    Route("POST", _ALL + "/tables/{table}", table, Requires.SYSTEM, "retention", body=DaysBody, data=DaysView,
          errors=(404, 503)),
    Route("POST", f"{_ALL}/erase", erase, Requires.SYSTEM, "retention", body=EraseBody, data=ErasedView,
          errors=(404, 503)),
]  # fmt: skip
