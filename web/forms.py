"""How rows become a body: one JSON document, or a line for each (NDJSON)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Protocol

from aiohttp import web

from msr_stream import instants
from msr_stream.errors import NotAcceptable

JSON, NDJSON = "application/json", "application/x-ndjson"


class Form(Protocol):
    """A body in the making. Rows come as lines of JSON text, each after a comma, whole lines at a time.

    `compressed`: it is so in itself, and is sent as it is.
    """

    media_type: str
    beginning: bytes
    compressed: bool

    def rows(self, lines: bytes) -> bytes:
        """Some rows."""
        ...

    def end(self, incomplete: Sequence[str]) -> bytes:
        """What comes after the last row."""
        ...


class Document:
    """`{"data":[…],"incomplete":[…],"sent_at":…}`."""

    media_type = JSON
    beginning = b'{"data":['
    compressed = False

    def __init__(self) -> None:
        self._begun = False

    def rows(self, lines: bytes) -> bytes:
        """The rows as they come, without the first one's comma."""
        begun, self._begun = self._begun, True
        return lines if begun else lines[1:]

    def end(self, incomplete: Sequence[str]) -> bytes:
        """The tables of which it may not have all."""
        return b"]," + _about(incomplete)[1:]


class Lines:
    """One event a line; the last line counts them, so that an answer that was cut is seen to be."""

    media_type = NDJSON
    beginning = b""
    compressed = False

    def __init__(self) -> None:
        self._count = 0

    def rows(self, lines: bytes) -> bytes:
        """The rows without their commas: JSON text holds no line break, so only rows begin after one."""
        self._count += lines.count(b"\n")
        return lines[1:].replace(b"\n,", b"\n")

    def end(self, incomplete: Sequence[str]) -> bytes:
        """The count, and the tables of which it may not have all."""
        return b'{"count":%d,' % self._count + _about(incomplete)[1:] + b"\n"


def form_of(request: web.Request) -> Form:
    """The form that the client accepts (`media_type_of`)."""
    return Lines() if media_type_of(request) == NDJSON else Document()


def media_type_of(request: web.Request) -> str:
    """The media type that the client gets: NDJSON if it prefers it by name, or takes no JSON.

    A client that names neither, as a browser does, gets JSON all the same; one that refuses both is told so (RFC 9110,
    sections 12.4.2 and 12.5.1).

    Raises:
        NotAcceptable: it refuses all that there is.
    """
    weights = _weights(",".join(request.headers.getall("Accept", [])))
    json_weight, lines_weight = (_weight(weights, kind) for kind in (JSON, NDJSON))
    if weights.get(NDJSON, 0.0) > 0 and weights[NDJSON] >= (json_weight or 0.0):
        return NDJSON
    if json_weight is None or json_weight > 0:
        return JSON
    if lines_weight:
        return NDJSON
    raise NotAcceptable


def _weights(header: str) -> dict[str, float]:
    """What a header weighs each media range with; a weight that is none counts as 0."""
    weights: dict[str, float] = {}
    for part in header.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        given = [value.strip() for key, _, value in (one.partition("=") for one in parameters) if key.strip() == "q"]
        try:
            weights[name] = float(given[0]) if given else 1.0
        except ValueError:
            weights[name] = 0.0
    weights.pop("", None)
    return weights


def _weight(weights: Mapping[str, float], kind: str) -> float | None:
    """The weight of the most specific range that holds it; `None`: nothing was said of it."""
    ranges = kind, f"{kind.partition('/')[0]}/*", "*/*"
    return next((weights[one] for one in ranges if one in weights), None)


def _about(incomplete: Sequence[str]) -> bytes:
    names = json.dumps(list(incomplete), ensure_ascii=False)
    return f'{{"incomplete":{names},"sent_at":"{instants.render(instants.now())}"}}'.encode()
