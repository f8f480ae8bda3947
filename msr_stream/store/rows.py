"""Events as rows of PostgreSQL's binary COPY format.

Built here, not by the driver, because this is the recorder's inner loop: one `pack` for the numbers and
the texts as the bytes they already are. Format: PostgreSQL documentation, COPY, "Binary Format".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import lru_cache
from struct import Struct

from msr_stream.instants import POSTGRES_EPOCH
from msr_stream.recording.event import Event

COLUMNS = (
    "shard_id", "position", "event_timestamp", "source_timestamp", "source_commit_lsn", "source_lsn",
    "source_txid", "op", "table_name", "entity_id", "tenant_id", "entity_state", "unavailable_fields",
)  # fmt: skip

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
_TEXT_OID = 25

_int4 = Struct(">i").pack
_int8_field = Struct(">iq").pack
#: Number of columns, then shard, position and time, each after its length.
_beginning = Struct(">hiiiqiq").pack
#: Source time null, then three numbers.
_usual_numbers = Struct(">iiqiqiq").pack


def encode(events: Sequence[Event], shard_id: int) -> bytes:
    """The rows of some events, in order (no header, no trailer)."""
    parts: list[bytes] = []
    add = parts.append
    for event in events:
        change = event.change
        add(_beginning(13, 4, shard_id, 8, event.position, 8, event.time - POSTGRES_EPOCH))
        lsn, txid, commit_lsn = change.lsn, change.txid, change.commit_lsn
        if lsn is not None and txid is not None and commit_lsn is not None and event.time == change.source_time:
            add(_usual_numbers(-1, 8, commit_lsn, 8, lsn, 8, txid))
        else:
            source_time = None if event.time == change.source_time else change.source_time - POSTGRES_EPOCH
            add(_numbers(source_time, commit_lsn, lsn, txid))
        add(_short_text(event.op))
        add(_short_text(change.table_name))
        entity_id = change.entity_id.encode()
        add(_int4(len(entity_id)))
        add(entity_id)
        add(NULL if event.tenant is None else _short_text(event.tenant))
        if event.state is None:
            add(NULL)
        else:
            add(_int4(len(event.state)))
            add(event.state)
        add(NULL if event.unavailable is None else _text_array(event.unavailable))
    return b"".join(parts)


async def copy_data(built: Sequence[bytes]) -> AsyncIterator[bytes]:
    """A whole COPY of rows that were built before."""
    yield HEADER
    for chunk in built:
        yield chunk
    yield TRAILER


def _numbers(*values: int | None) -> bytes:
    return b"".join(NULL if value is None else _int8_field(8, value) for value in values)


@lru_cache(maxsize=4096)
def _short_text(text: str) -> bytes:
    """A text that comes again and again: operations, tables, tenants."""
    raw = text.encode()
    return _int4(len(raw)) + raw


def _text_array(texts: Sequence[str]) -> bytes:
    """One dimension, no nulls, from 1."""
    items = b"".join(_short_text(text) for text in texts)
    body = Struct(">iiiii").pack(1, 0, _TEXT_OID, len(texts), 1) + items
    return _int4(len(body)) + body
