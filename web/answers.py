"""The contract's answers: `{"data": …, "message"?, "page"?, "sent_at"}`, and no body at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from aiohttp import web

from msr_stream import instants
from msr_stream.paging import Page


def data(value: object, *, message: str | None = None, page: dict[str, Any] | None = None) -> web.Response:
    """A success with a body."""
    body = {
        "data": value,
        **({"message": message} if message else {}),
        **({"page": page} if page is not None else {}),
        "sent_at": instants.render(instants.now()),
    }
    return web.Response(body=orjson.dumps(body, default=_plain), content_type="application/json")


def paged(rows: Sequence[object], page: Page, total: int) -> web.Response:
    """One page of a list."""
    about = {
        "number": page.number,
        "size": page.size,
        "total_records": total,
        "count": len(rows),
        "sort": [f"{field},{direction}" for field, direction in page.sort],
    }
    return data(list(rows), page=about)


def nothing() -> web.Response:
    """A success without a body."""
    return web.Response(status=204)


def _plain(value: object) -> object:
    """What JSON has no word for."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
