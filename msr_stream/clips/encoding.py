"""A clip on its way into a file: an encoder takes rows as answers read them, and gives bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import msgspec

from msr_stream.clips.clip import Header, Part, Tally, rows_of
from msr_stream.clips.positions import Position, position_of


class Encoder(ABC):
    """Makes one file: `begin`, rows of the state, rows that are events, `end`. Holds a bounded number of rows.

    Attributes:
        media_type: of the file.
        extension: of its name.
        compressed: whether it is compressed in itself.
        tally: counts the rows.
    """

    media_type: ClassVar[str]
    extension: ClassVar[str]
    compressed: ClassVar[bool] = False

    def __init__(self, header: Header) -> None:
        self.header, self.tally = header, Tally()

    @abstractmethod
    def begin(self) -> bytes:
        """What comes before the rows."""

    @abstractmethod
    def rows(self, part: Part, lines: bytes) -> bytes:
        """Some rows: lines of JSON text, each after a comma, whole lines at a time."""

    @abstractmethod
    def end(self) -> bytes:
        """What comes after them: at last how many there were."""


class Ndjson(Encoder):
    """A line for the header, for each row as it was read, and for the ending."""

    media_type, extension = "application/x-ndjson", "ndjson"

    def begin(self) -> bytes:
        """The header."""
        return msgspec.json.encode(self.header) + b"\n"

    def rows(self, part: Part, lines: bytes) -> bytes:
        """The rows without their commas: JSON text holds no line break, so only rows begin after one."""
        self.tally.add(part, lines.count(b"\n"))
        return lines[1:].replace(b"\n,", b"\n")

    def end(self) -> bytes:
        """The ending."""
        return msgspec.json.encode(self.tally.ending) + b"\n"


class Features(Encoder):
    """A FeatureCollection (RFC 7946): each row a feature, with the row itself, its recorded time too, as properties."""

    media_type, extension = "application/geo+json", "geojson"

    def __init__(self, header: Header) -> None:
        super().__init__(header)
        self._between = b""

    def begin(self) -> bytes:
        """The header, as foreign member `msr_clip`."""
        return b'{"type":"FeatureCollection","msr_clip":' + msgspec.json.encode(self.header) + b',"features":[\n'

    def rows(self, part: Part, lines: bytes) -> bytes:
        """Features; the geometry of one without position is null."""
        parts: list[bytes] = []
        found = rows_of(lines)
        for line, row in found:
            where = position_of(row.state) if row.state else None
            parts += (self._between, b'{"type":"Feature","geometry":', _point(where), b',"properties":', line, b"}")
            self._between = b",\n"
        self.tally.add(part, len(found))
        return b"".join(parts)

    def end(self) -> bytes:
        """The ending, as foreign member `msr_clip_end`."""
        return b'\n],"msr_clip_end":' + msgspec.json.encode(self.tally.ending) + b"}\n"


def _point(where: Position | None) -> bytes:
    return b"null" if where is None else b'{"type":"Point","coordinates":[%r,%r]}' % where
