"""A clip out of its file again: row by row, each checked; the first that is wrong is named, and ends the reading."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BufferedReader
from typing import Any, NamedTuple

import msgspec
import zstandard
from mcap.exceptions import McapError
from mcap.records import Message, Metadata
from mcap.stream_reader import CRCValidationError, StreamReader

from msr_stream import instants
from msr_stream.clips.clip import ENDING, HEADER, VERSION, Ending, Header, Part, Row, Tally
from msr_stream.errors import ClipError, RecordError
from msr_stream.records.state import clean

_MAGIC = b"\x89MCAP0\r\n"
#: No line is longer, and no record of an MCAP file: what a broken file says must not take all memory.
_LONGEST = 1 << 30
_row = msgspec.json.Decoder(Row)
_ending = msgspec.json.Decoder(Ending)
_ENDING_BEGINS = b'{"count":'


#: What reading a file raises that is no MCAP file, or no whole one.
_BROKEN = (McapError, CRCValidationError, EOFError, ValueError, RuntimeError, struct.error, zstandard.ZstdError)


class Stored(NamedTuple):
    """A row as it is stored: times as instants, `state` as JSON text."""

    part: Part
    table_name: str
    entity_id: str
    op: str
    event_timestamp: int
    source_timestamp: int | None
    state: str | None
    unavailable_fields: list[str] | None


class Clip:
    """An open file; its header was read, its rows can be read once.

    Attributes:
        header: the clip's.
        start: its beginning.
        end: its end.
        exported_at: when it was exported.
    """

    def __init__(self, file: BufferedReader[Any]) -> None:
        self._tally = Tally()
        self._last = instants.FIRST
        self._mcap = file.peek(len(_MAGIC))[: len(_MAGIC)] == _MAGIC
        self._content = _mcap(file) if self._mcap else _ndjson(file)
        where, first = next(self._content, ("the file", None))
        if not isinstance(first, Header):
            raise ClipError(f"{where}: this is no clip: it does not begin with a clip's header")
        if first.msr_clip != VERSION:
            raise ClipError(f"{where}: this is a clip of version {first.msr_clip}, this program reads {VERSION}")
        self.header = first
        times = (first.start, first.end, first.exported_at)
        self.start, self.end, self.exported_at = (_instant(where, text) for text in times)
        if self.end < self.start:
            raise ClipError(f"{where}: the clip ends before it starts")

    def rows(self) -> Iterator[Stored]:
        """The rows, in order.

        Raises:
            ClipError: something is not as it must be, or the file is not whole.
        """
        for where, found in self._content:
            if isinstance(found, Ending):
                if found != self._tally.ending:
                    raise ClipError(f"{where}: it counts {found.count} rows, there are {self._tally.ending.count}")
                if (more := next(self._content, None)) is not None:
                    raise ClipError(f"{more[0]}: nothing may come after the count")
                return
            if isinstance(found, Header):
                raise ClipError(f"{where}: a second header")
            yield self._checked(where, found)
        raise ClipError("the file does not end with a count of its rows: it was cut")

    def place(self, number: int) -> str:
        """Where a row stands, by its number from 1."""
        return f"message {number}" if self._mcap else f"line {number + 1}"

    def _checked(self, where: str, row: Row) -> Stored:
        at = _instant(where, row.event_timestamp)
        part = Part.STATE if at <= self.start else Part.EVENT
        if part is Part.STATE and self._tally.events:
            raise ClipError(f"{where}: a row of the state after an event")
        if part is Part.STATE and row.op == "d":
            raise ClipError(f"{where}: a deleted entity in the state")
        if at > self.end or (part is Part.EVENT and at < self._last):
            raise ClipError(f"{where}: {row.event_timestamp} is after the clip's end, or before the event before it")
        if part is Part.EVENT:
            self._last = at
        self._tally.add(part, 1)
        source = _instant(where, row.source_timestamp) if row.source_timestamp is not None else None
        texts = (row.table_name, row.entity_id, *(row.unavailable_fields or ()))
        if any("\0" in text for text in texts):
            raise ClipError(f"{where}: a text holds a NUL character")
        return Stored(
            part, row.table_name, row.entity_id, row.op, at, source, _state(where, row), row.unavailable_fields
        )


def _state(where: str, row: Row) -> str | None:
    if row.state is None:
        return None
    try:
        return clean(row.state).decode()
    except (RecordError, RecursionError) as error:
        raise ClipError(f"{where}: {error}") from error


def _instant(where: str, text: str) -> int:
    try:
        return instants.parse(text)
    except ValueError as error:
        raise ClipError(f"{where}: got {text!r}, {error}") from error


def _ndjson(file: BufferedReader[Any]) -> Iterator[tuple[str, Header | Row | Ending]]:
    """What the lines of a file hold."""
    for number, line in enumerate(iter(lambda: file.readline(_LONGEST), b""), 1):
        where = f"line {number}"
        try:
            if not line.endswith(b"\n"):
                raise ClipError(f"{where}: the line does not end: the file was cut")
            if number == 1:
                yield where, msgspec.json.decode(line, type=Header)
            elif line.startswith(_ENDING_BEGINS):
                yield where, _ending.decode(line)
            else:
                yield where, _row.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ClipError(f"{where}: {error}") from error


def _mcap(file: BufferedReader[Any]) -> Iterator[tuple[str, Header | Row | Ending]]:
    """What the messages and the metadata of a file hold."""
    number, where = 0, "the file"
    try:
        for record in StreamReader(file, validate_crcs=True, record_size_limit=_LONGEST).records:
            if isinstance(record, Metadata) and record.name in (HEADER, ENDING):
                where = f"metadata {record.name}"
                yield where, _metadata(record)
            elif isinstance(record, Message):
                number += 1
                where = f"message {number}"
                yield where, _row.decode(record.data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ClipError(f"{where}: {error}") from error
    except _BROKEN as error:
        raise ClipError(f"after {where}: the file is broken or was cut: {error!r}") from error


def _metadata(record: Metadata) -> Header | Ending:
    """A header or an ending out of texts, each JSON or a text as it is."""
    kind: type[Header | Ending] = Header if record.name == HEADER else Ending
    texts = {field.name: field.type for field in msgspec.structs.fields(kind)}
    values = {
        key: value if texts.get(key) is str else msgspec.json.decode(value) for key, value in record.metadata.items()
    }
    found: Header | Ending = msgspec.convert(values, kind)
    return found
