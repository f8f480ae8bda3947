"""A clip as a table: Apache Parquet, by pyarrow.

Import it only where a Parquet file is made: pyarrow takes 90 MB of a worker's memory.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pyarrow as pa
from pyarrow import parquet as pq

from msr_stream import instants
from msr_stream.clips.clip import ENDING, HEADER, Header, Part, Row, rows_of
from msr_stream.clips.encoding import Encoder
from msr_stream.clips.pipe import Pipe

#: A row group has as many rows or bytes of them as this at most, give or take one piece of an answer.
GROUP_ROWS, GROUP_BYTES = 20_000, 8 << 20

_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        pa.field("part", pa.string(), nullable=False),
        pa.field("table_name", pa.string(), nullable=False),
        pa.field("entity_id", pa.string(), nullable=False),
        pa.field("op", pa.string(), nullable=False),
        pa.field("event_timestamp", _TIME, nullable=False),
        pa.field("source_timestamp", _TIME),
        pa.field("entity_state", pa.string()),
        pa.field("unavailable_fields", pa.list_(pa.string())),
    ]
)


class Parquet(Encoder):
    """One row for each row, in order; header and ending are key-value metadata of the file.

    `part` is `state` or `event`, `entity_state` the row as JSON text.
    """

    media_type, extension, compressed = "application/vnd.apache.parquet", "parquet", True

    def __init__(self, header: Header) -> None:
        super().__init__(header)
        self._pipe = Pipe()
        self._columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
        self._bytes = 0
        self._writer = pq.ParquetWriter(
            self._pipe, SCHEMA, compression="zstd", use_dictionary=["part", "table_name", "op"]
        )

    def begin(self) -> bytes:
        """The file's first bytes."""
        self._writer.add_key_value_metadata({HEADER: msgspec.json.encode(self.header)})
        return self._pipe.take()

    def rows(self, part: Part, lines: bytes) -> bytes:
        """A row group now and then."""
        found = rows_of(lines)
        for _, row in found:
            self._add(part, row)
        self.tally.add(part, len(found))
        self._bytes += len(lines)
        if self._bytes >= GROUP_BYTES or len(self._columns["part"]) >= GROUP_ROWS:
            self._write()
        return self._pipe.take()

    def end(self) -> bytes:
        """The last row group, and the file's metadata."""
        self._write()
        self._writer.add_key_value_metadata({ENDING: msgspec.json.encode(self.tally.ending)})
        self._writer.close()
        return self._pipe.take()

    def _add(self, part: Part, row: Row) -> None:
        source = row.source_timestamp
        values = (
            part.value, row.table_name, row.entity_id, row.op, instants.parse(row.event_timestamp),
            instants.parse(source) if source is not None else None, row.state, row.unavailable_fields,
        )  # fmt: skip
        for column, value in zip(self._columns.values(), values, strict=True):
            column.append(value)

    def _write(self) -> None:
        """Write what is there as one row group."""
        if self._columns["part"]:
            arrays = [pa.array(self._columns[field.name], field.type) for field in SCHEMA]
            self._writer.write_batch(pa.record_batch(arrays, schema=SCHEMA))
        self._columns = {name: [] for name in SCHEMA.names}
        self._bytes = 0
