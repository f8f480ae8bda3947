"""What a clip is made of, in whichever format: a header, the state at its start, the events after it, an ending. Pure.

A row of the state and an event look alike, and like those of the other answers. Which is which is told by their times:
the state's are not after the start, an event's are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

import msgspec

from msr_stream import instants

#: The version of what a clip holds.
VERSION = 1
#: The name of the header's metadata, and of the ending's, in formats that have metadata.
HEADER, ENDING = "msr_clip", "msr_clip_end"


class Part(Enum):
    """Of which part of a clip some rows are."""

    STATE = "state"
    EVENT = "event"


class Header(msgspec.Struct, kw_only=True):
    """What a clip is about; instants as RFC 3339 texts.

    Attributes:
        msr_clip: the version of the format.
        tenant: who exported it saw this tenant's rows, and shared ones.
        start: the state is that at this instant.
        end: the events go up to it.
        settled_until: the past was settled up to this instant when it was exported.
        exported_at: when that was.
        incomplete: tables of which the clip may not have all.
        filters: parameters of the export that have left something out.
    """

    msr_clip: int
    tenant: str
    start: str
    end: str
    settled_until: str
    exported_at: str
    incomplete: list[str] = []
    filters: dict[str, list[str]] = {}


class Row(msgspec.Struct, forbid_unknown_fields=True):
    """An entity at the start, or an event, as answers write it; `entity_state` is the text that was recorded."""

    entity_id: str
    entity_state: msgspec.Raw
    op: Literal["c", "r", "u", "d"]
    event_timestamp: str
    table_name: str
    source_timestamp: str | None = None
    unavailable_fields: list[str] | None = None

    @property
    def state(self) -> bytes | None:
        """The row of the table as JSON text; `None`: not known."""
        state = bytes(self.entity_state)
        return None if state == b"null" else state


class Ending(msgspec.Struct, forbid_unknown_fields=True):
    """What tells that a clip is whole: how many rows it holds, of which part."""

    count: int
    state: int
    events: int


@dataclass
class Tally:
    """Counts what has passed."""

    state: int = 0
    events: int = 0

    def add(self, part: Part, rows: int) -> None:
        """So many rows more of one part."""
        if part is Part.STATE:
            self.state += rows
        else:
            self.events += rows

    @property
    def ending(self) -> Ending:
        """The ending of a clip that holds what has passed."""
        return Ending(self.state + self.events, self.state, self.events)


def header(
    tenant: str, window: tuple[int, int], settled: int, incomplete: Sequence[str], filters: Mapping[str, list[str]]
) -> Header:
    """The header of a clip that is exported now."""
    return Header(
        msr_clip=VERSION,
        tenant=tenant,
        start=instants.render(window[0]),
        end=instants.render(window[1]),
        settled_until=instants.render(settled),
        exported_at=instants.render(instants.now()),
        incomplete=list(incomplete),
        filters=dict(filters),
    )


def lines_of(lines: bytes) -> Iterator[bytes]:
    """The rows in a piece of an answer: each is a line, after a comma."""
    return (line[1:] for line in lines.split(b"\n") if line)


_row = msgspec.json.Decoder(Row)


def rows_of(lines: bytes) -> list[tuple[bytes, Row]]:
    """The same as text and decoded."""
    return [(line, _row.decode(line)) for line in lines_of(lines)]
