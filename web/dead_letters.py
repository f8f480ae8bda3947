"""Dead letters: what could not be recorded and why, and another try."""

from __future__ import annotations

from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from msr_stream.store.audit import Actor
from msr_stream.store.dead_letters import DeadLetters
from web import answers, reading
from web.middleware import runtime
from web.routes import CALLER, Requires, Route

Name = Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")]
State = Literal["kept", "recorded", "superseded"]


class Choice(BaseModel):
    """Which dead letters are listed; beside it the parameters of paging."""

    source: Name | None = None
    table: Name | None = None
    code: Name | None = None
    state: State | None = None
    page: str | list[str] | None = None
    size: str | list[str] | None = None
    sort: str | list[str] | None = None


class Bytes(BaseModel):
    """The bytes of a key or a value as text; `cut` after 4096 bytes."""

    text: str
    encoding: Literal["utf-8", "base64"]
    cut: bool


class Letter(BaseModel):
    """A record that could not be recorded; `outcome` is what a retry has made of it."""

    id: int
    topic: str
    partition: int
    offset: int
    code: str
    reason: str
    table: str | None
    entity: str | None
    created_at: str
    state: State
    outcome: str | None
    resolved_at: str | None
    key: Bytes | None
    value: Bytes | None


class Ids(BaseModel):
    """The dead letters to try again."""

    model_config = ConfigDict(extra="forbid")

    ids: list[Annotated[int, Field(strict=True, ge=1, le=2**63 - 1)]] = Field(min_length=1, max_length=1000)


class Retried(BaseModel):
    """What has become of a dead letter."""

    id: int
    state: State
    reason: str


async def listed(request: web.Request) -> web.Response:
    """Records that could not be recorded, of any tenant, each with the reason."""
    choice = reading.query(request, Choice)
    page = reading.page(request, DeadLetters.SORTABLE)
    rows, total = await runtime(request).letters.page(
        page, source=choice.source, table=choice.table, code=choice.code, state=choice.state
    )
    return answers.paged([Letter(**row) for row in rows], page, total)


async def retry(request: web.Request) -> web.Response:
    """Try dead letters again: one is recorded unless its entity has a later event."""
    wanted = await reading.body(request, Ids)
    actor = Actor(request[CALLER], request["correlation_id"])
    outcomes = await runtime(request).retry.retry(wanted.ids, actor)
    return answers.data([Retried.model_validate(outcome._asdict()) for outcome in outcomes])


ROUTES = [
    Route(
        "GET", "/admin/dead-letters", listed, Requires.SYSTEM, "dead letters",
        query=Choice, data=list[Letter], paged=True, errors=(400, 503),
    ),
    Route(
        "POST", "/admin/dead-letters/retry", retry, Requires.SYSTEM, "dead letters",
        body=Ids, data=list[Retried], errors=(400, 404, 413, 503),
    ),
]  # fmt: skip
