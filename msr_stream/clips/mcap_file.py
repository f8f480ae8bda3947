"""A clip as MCAP (mcap.dev): what tools for logs of robots and sensors open, such as Foxglove."""

from __future__ import annotations

from typing import IO, Any, cast

import msgspec
from mcap.writer import Writer

from msr_stream import instants
from msr_stream.clips.clip import ENDING, HEADER, Header, Part, Row, rows_of
from msr_stream.clips.encoding import Encoder
from msr_stream.clips.pipe import Pipe

PROFILE = "msr_clip"
_SCHEMA = {
    "type": "object",
    "required": ["entity_id", "entity_state", "op", "event_timestamp", "table_name"],
    "properties": {
        "entity_id": {"type": "string"},
        "entity_state": {"type": ["object", "null"]},
        "op": {"enum": ["c", "r", "u", "d"]},
        "event_timestamp": {"type": "string", "format": "date-time"},
        "source_timestamp": {"type": "string", "format": "date-time"},
        "table_name": {"type": "string"},
        "unavailable_fields": {"type": "array", "items": {"type": "string"}},
    },
}


class Mcap(Encoder):
    """A channel for each table, a JSON message for each row; header and ending are metadata records.

    The state is logged at the clip's start, so that the file's time is that of the clip; `publish_time` is when an
    entity was last changed.
    """

    media_type, extension, compressed = "application/octet-stream", "mcap", True

    def __init__(self, header: Header) -> None:
        super().__init__(header)
        self._pipe = Pipe()
        self._writer: Any = Writer(cast(IO[Any], self._pipe))
        self._channels: dict[str, int] = {}
        self._schema = 0
        self._start = _nanoseconds(header.start)

    def begin(self) -> bytes:
        """Magic bytes, the file's header, and the clip's."""
        self._writer.start(profile=PROFILE, library="msr")
        self._tell(HEADER, self.header)
        self._schema = self._writer.register_schema("msr.Row", "jsonschema", msgspec.json.encode(_SCHEMA))
        return self._pipe.take()

    def rows(self, part: Part, lines: bytes) -> bytes:
        """Chunks of messages."""
        found = rows_of(lines)
        for number, (line, row) in enumerate(found, self.tally.ending.count + 1):
            changed = _nanoseconds(row.event_timestamp)
            self._writer.add_message(
                self._channel(row),
                log_time=self._start if part is Part.STATE else changed,
                data=line,
                publish_time=changed,
                sequence=number & 0xFFFFFFFF,
            )
        self.tally.add(part, len(found))
        return self._pipe.take()

    def end(self) -> bytes:
        """The last chunk, the clip's ending, and the file's summary."""
        self._writer.flush()
        self._tell(ENDING, self.tally.ending)
        self._writer.finish()
        return self._pipe.take()

    def _tell(self, name: str, about: Header | msgspec.Struct) -> None:
        """Write metadata, whose values are texts: a text as it is, all else as JSON."""
        values = msgspec.to_builtins(about)
        texts = {
            key: value if isinstance(value, str) else msgspec.json.encode(value).decode()
            for key, value in values.items()
        }
        self._writer.add_metadata(name, texts)

    def _channel(self, row: Row) -> int:
        if row.table_name not in self._channels:
            self._channels[row.table_name] = self._writer.register_channel(row.table_name, "json", self._schema)
        return self._channels[row.table_name]


def _nanoseconds(text: str) -> int:
    """An instant as MCAP has it: never before 1970."""
    return max(0, instants.parse(text)) * 1000
