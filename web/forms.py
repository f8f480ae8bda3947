"""How rows become a body: one JSON document, or a line for each (NDJSON)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol

from aiohttp import web

from msr_stream import instants

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
    """The form that the client accepts: NDJSON if it names it."""
    return Lines() if media_type_of(request) == NDJSON else Document()


def media_type_of(request: web.Request) -> str:
    """The media type that the client gets."""
    accepted = (part.split(";")[0].strip().lower() for part in request.headers.get("Accept", "").split(","))
    return NDJSON if NDJSON in accepted else JSON


def _about(incomplete: Sequence[str]) -> bytes:
    names = json.dumps(list(incomplete), ensure_ascii=False)
    return f'{{"incomplete":{names},"sent_at":"{instants.render(instants.now())}"}}'.encode()
