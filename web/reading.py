"""Requests read: bodies and parameters into typed models, paging; whatever is wrong is named, all of it at once."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from msr_stream.errors import BadRequest, NotFound
from msr_stream.paging import Page, read_page

M = TypeVar("M", bound=BaseModel)


async def body(request: web.Request, model: type[M]) -> M:
    """The JSON body; an empty one is `{}`.

    Raises:
        BadRequest: it is not JSON, or not what the model wants; each field is named.
    """
    raw = await request.read()
    try:
        content = orjson.loads(raw) if raw.strip() else {}
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    return _validated(model, content)


def query(request: web.Request, model: type[M]) -> M:
    """The parameters; one that is given more than once is a list.

    Raises:
        BadRequest: they are not what the model wants; each is named.
    """
    given = lists(request)
    return _validated(model, {name: values[0] if len(values) == 1 else values for name, values in given.items()})


def lists(request: web.Request) -> dict[str, list[str]]:
    """All values of each parameter."""
    return {name: request.query.getall(name) for name in request.query}


def identifier(request: web.Request, name: str = "id") -> uuid.UUID:
    """A uuid in the address.

    Raises:
        NotFound: it is none, so there is nothing at this address.
    """
    try:
        return uuid.UUID(request.match_info[name])
    except ValueError as error:
        raise NotFound(f"there is no {request.match_info[name]!r} here") from error


def page(request: web.Request, sortable: Sequence[str], default: str = "created_at") -> Page:
    """Which page is asked for; out-of-range values fall back to the defaults."""
    q = request.query
    return read_page(q.get("page"), q.get("size"), q.getall("sort", []), sortable, default)


def _validated(model: type[M], content: object) -> M:
    if _holds_nul(content):
        raise BadRequest("a text holds a NUL character, which cannot be stored")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = [_problem(one) for one in error.errors()]
        raise BadRequest("; ".join(problem["message"] for problem in problems), details=problems) from error


def _holds_nul(content: object) -> bool:
    if isinstance(content, dict):
        return any(_holds_nul(part) for pair in content.items() for part in pair)
    if isinstance(content, list):
        return any(_holds_nul(part) for part in content)
    return isinstance(content, str) and "\0" in content


def _problem(error: Any) -> dict[str, Any]:
    field = ".".join(str(part) for part in error["loc"])
    message = str(error["msg"]).removeprefix("Value error, ").replace("\0", "\\0")
    return {"field": field, "message": f"{field}: {message}" if field else message}
