"""The two shapes that are rows with something added: flattened, and MSR's own restructured record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from msr_stream.errors import RecordError
from msr_stream.records.keys import value_text
from msr_stream.records.state import fields_of, joined

__all__ = [
    "Inner", "Row", "fields_of", "flattened", "is_flattened", "is_heartbeat", "is_restructured",
    "is_transaction", "restructured",
]  # fmt: skip

_RESTRUCTURED = {"entity_id", "op", "event_timestamp", "table_name", "data"}

#: What `add.fields` may add to a row; `__source_…` is all of the source block.
_ADDED = frozenset(
    {"__op", "__deleted", "__table", "__schema", "__db", "__ts_ms", "__ts_us", "__ts_ns", "__lsn", "__txid",
     "__sequence", "__snapshot", "__name", "__connector", "__version"}
)  # fmt: skip


class Inner(NamedTuple):
    """The record inside `{schema, payload}`."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Row(NamedTuple):
    """A row and what was added to it; `time` is an instant, `state` the row's JSON text."""

    op: str
    table_name: str
    entity_id: str
    state: bytes
    time: int | None
    lsn: int | None = None
    txid: int | None = None
    sequence: str | None = None


def is_transaction(fields: dict[str, msgspec.Raw]) -> bool:
    """Whether it is a BEGIN or END of the transaction topic."""
    return fields.keys() >= {"status", "id", "event_count", "data_collections"}


def is_heartbeat(fields: dict[str, msgspec.Raw]) -> bool:
    """Whether it is a record of a heartbeat topic."""
    return fields.keys() == {"ts_ms"}


def is_restructured(fields: dict[str, msgspec.Raw]) -> bool:
    """Whether it is MSR's own record."""
    return fields.keys() >= _RESTRUCTURED


def is_flattened(fields: dict[str, msgspec.Raw]) -> bool:
    """Whether it is a row with fields of `ExtractNewRecordState`."""
    return not {"__op", "__deleted"}.isdisjoint(fields)


def restructured(fields: dict[str, msgspec.Raw]) -> Row:
    """Read MSR's own record: the row is a JSON string in `data`, the time milliseconds."""
    data = _text(fields, "data")
    millis = _integer(fields, "event_timestamp")
    return Row(
        op=_text(fields, "op") or "",
        table_name=_text(fields, "table_name") or "",
        entity_id=_checked_id(_text(fields, "entity_id")),
        state=_checked_json(data) if data is not None else b"null",
        time=millis * 1000 if millis is not None else None,
    )


def flattened(fields: dict[str, msgspec.Raw], topic_schema: str, topic_table: str) -> Row:
    """Read a flattened row; schema and table come from the topic where the row does not say."""
    added = {name.lower(): name for name in fields if name.lower() in _ADDED or name.startswith("__source_")}
    millis = _first_integer(fields, added, "__source_ts_ms", "__ts_ms")
    micros = _first_integer(fields, added, "__source_ts_us", "__ts_us")
    deleted = _text(fields, "__deleted") == "true"
    row = {name: value for name, value in fields.items() if name not in added.values()}
    snapshot = _text(fields, added.get("__source_snapshot", added.get("__snapshot", ""))) or "false"
    streamed = snapshot == "false"
    schema = _text(fields, added.get("__schema", added.get("__source_schema", ""))) or topic_schema
    table = _text(fields, added.get("__table", added.get("__source_table", ""))) or topic_table
    return Row(
        op="d" if deleted else _text(fields, "__op") or "u",
        table_name=f"{schema}.{table}" if table else "",
        entity_id="",
        state=joined(row),
        time=micros if micros is not None else millis * 1000 if millis is not None else None,
        lsn=_first_integer(fields, added, "__source_lsn", "__lsn") if streamed else None,
        txid=_first_integer(fields, added, "__source_txid", "__txid") if streamed else None,
        sequence=_text(fields, added.get("__source_sequence", added.get("__sequence", ""))) if streamed else None,
    )


def _text(fields: dict[str, msgspec.Raw], name: str) -> str | None:
    value = fields.get(name)
    return None if value is None or bytes(value) == b"null" else value_text(value)


def _integer(fields: dict[str, msgspec.Raw], name: str) -> int | None:
    text = _text(fields, name)
    if text is None:
        return None
    try:
        number = int(text)
    except ValueError as error:
        raise RecordError("BAD_FIELD", f"{name} is {text[:40]!r}, wants a whole number") from error
    if not -(2**63) <= number < 2**63:
        raise RecordError("BAD_FIELD", f"{name} is {text[:40]!r}, beyond 64 bits")
    return number


def _first_integer(fields: dict[str, msgspec.Raw], added: dict[str, str], *names: str) -> int | None:
    return next((_integer(fields, added[name]) for name in names if name in added), None)


def _checked_id(text: str | None) -> str:
    if text is None:
        raise RecordError("NO_KEY", "entity_id is null, so nothing says which row it is")
    if "\0" in text:
        raise RecordError("NUL_CHARACTER", "entity_id holds a NUL character, which PostgreSQL cannot store")
    return text


def _checked_json(text: str) -> bytes:
    raw = text.strip().encode()
    try:
        if raw != b"null":
            fields_of(raw)
    except msgspec.DecodeError as error:
        raise RecordError("NOT_JSON", f"data is not a JSON object: {error}") from error
    return raw
