"""What the capture tells of its snapshots, on the notification topic of all sources. Pure.

Format: Debezium documentation, "Notifications"; a blocking snapshot tells the same as an initial one.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from msr_stream.instants import FIRST, LAST

#: Those that say when a snapshot begins, what it has read whole, and how it ended.
_KINDS = ("STARTED", "TABLE_SCAN_COMPLETED", "COMPLETED", "ABORTED", "SKIPPED")
_INITIAL = "Initial Snapshot"
#: All that is told of one bears one id, that of the signal which asked for it.
_INCREMENTAL = "Incremental Snapshot"
#: How the reading of a table ends well.
_WHOLE = ("SUCCEEDED", "EMPTY")


class Notice(NamedTuple):
    """One notification.

    Attributes:
        id: the capture's own, by which it is kept once.
        source: the source's `topic.prefix`.
        kind: one of `_KINDS`.
        collection: the table that was read, `schema.table`.
        rows: how many rows it had; `None` where it was not read whole.
        told_at: instant, by the capture's clock.
        request: of an incremental snapshot, the id of the signal that asked for it.
    """

    id: str
    source: str
    kind: str
    collection: str | None
    rows: int | None
    told_at: int
    request: str | None = None


class _Body(msgspec.Struct):
    id: str
    type: str
    aggregate_type: str = ""
    additional_data: dict[str, str | None] = {}
    timestamp: int = 0


class _Wrapped(msgspec.Struct):
    payload: _Body


_plain = msgspec.json.Decoder(_Body)
_wrapped = msgspec.json.Decoder(_Wrapped)


def parse(value: bytes | None) -> Notice | None:
    """What a notification says of a snapshot; `None` if it says nothing of one, or cannot be read."""
    if value is None:
        return None
    try:
        body = _read(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    source = body.additional_data.get("connector_name")
    told_at = body.timestamp * 1000
    if (
        body.type not in _KINDS
        or body.aggregate_type not in (_INITIAL, _INCREMENTAL)
        or not source
        or not FIRST <= told_at <= LAST
    ):
        return None
    collection, rows = None, None
    if body.type == "TABLE_SCAN_COMPLETED":
        collection = body.additional_data.get("scanned_collection")
        scanned = body.additional_data.get("total_rows_scanned") or ""
        if (
            body.additional_data.get("status") in _WHOLE
            and scanned.isascii()
            and scanned.isdigit()
            and len(scanned) <= 18
        ):
            rows = int(scanned)
    if "\0" in body.id + source + (collection or ""):
        return None
    if body.aggregate_type == _INITIAL:
        return Notice(body.id, source, body.type, collection, rows, told_at)
    own = f"{body.id} {body.type} {collection or ''} {body.timestamp}"
    return Notice(own, source, body.type, collection, rows, told_at, body.id)


def _read(value: bytes) -> _Body:
    try:
        return _plain.decode(value)
    except msgspec.ValidationError:
        return _wrapped.decode(value).payload
