"""Rows of the binary COPY format, read back by a reader that shares nothing with the writer."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pytest

from msr_stream.instants import FIRST, LAST, POSTGRES_EPOCH
from msr_stream.recording.event import Event
from msr_stream.store import rows
from tests.unit.building import NOON, change, streamed


def _read(data: bytes) -> list[dict[str, Any]]:
    """PostgreSQL documentation, COPY, "Binary Format"."""
    assert data[:11] == b"PGCOPY\n\xff\r\n\0"
    flags, extension = struct.unpack_from(">ii", data, 11)
    assert (flags, extension) == (0, 0)
    found: list[dict[str, Any]] = []
    at = 19
    while True:
        (columns,) = struct.unpack_from(">h", data, at)
        at += 2
        if columns == -1:
            assert at == len(data)
            return found
        assert columns == len(rows.COLUMNS)
        row = {}
        for name in rows.COLUMNS:
            (length,) = struct.unpack_from(">i", data, at)
            at += 4
            row[name] = None if length == -1 else _value(name, data[at : at + length])
            at += max(length, 0)
        found.append(row)


def _value(name: str, raw: bytes) -> Any:
    if name == "unavailable_fields":
        return list(_array(raw))
    if name == "shard_id":
        return struct.unpack(">i", raw)[0]
    if name.endswith("_timestamp"):
        return struct.unpack(">q", raw)[0] + 946_684_800_000_000
    if name in ("position", "source_lsn", "source_commit_lsn", "source_txid"):
        return struct.unpack(">q", raw)[0]
    return raw.decode()


def _array(raw: bytes) -> Iterator[str]:
    dimensions, has_null, oid, length, lower = struct.unpack_from(">iiiii", raw)
    assert (dimensions, has_null, oid, lower) == (1, 0, 25, 1)
    at = 20
    for _ in range(length):
        (size,) = struct.unpack_from(">i", raw, at)
        yield raw[at + 4 : at + 4 + size].decode()
        at += 4 + size
    assert at == len(raw)


def _written(*events: Event, shard_id: int = 3) -> list[dict[str, Any]]:
    return _read(rows.HEADER + rows.encode(events, shard_id) + rows.TRAILER)


def test_a_usual_event_is_read_back_as_it_was() -> None:
    usual = streamed("1", "u", (100, 200), state='{"a":"é"}', tenant="t1")
    (row,) = _written(Event(usual, "u", 9, NOON, "t1", usual.state))
    assert row == {
        "shard_id": 3, "position": 9, "event_timestamp": NOON, "source_timestamp": None, "source_commit_lsn": 100,
        "source_lsn": 200, "source_txid": 7, "op": "u", "table_name": "s.t", "entity_id": "1", "tenant_id": "t1",
        "entity_state": '{"a":"é"}', "unavailable_fields": None,
    }  # fmt: skip


def test_a_lifted_event_keeps_the_sources_own_time_beside_it() -> None:
    (row,) = _written(Event(streamed("1"), "u", 1, NOON + 5, None, b"{}"))
    assert (row["event_timestamp"], row["source_timestamp"]) == (NOON + 5, NOON)
    assert (row["source_commit_lsn"], row["source_lsn"], row["source_txid"]) == (1, 1, 7)


@pytest.mark.parametrize("fields", [{}, {"lsn": 5}, {"lsn": 5, "txid": 6}, {"lsn": 5, "commit_lsn": 4}, {"txid": 6}])
def test_what_the_capture_did_not_say_is_null(fields: dict[str, Any]) -> None:
    (row,) = _written(Event(change("1", **fields), "u", 1, NOON, None, b"{}"))
    found = {"lsn": row["source_lsn"], "txid": row["source_txid"], "commit_lsn": row["source_commit_lsn"]}
    assert {name: value for name, value in found.items() if value is not None} == fields


def test_shared_rows_have_no_tenant_and_nobodys_rows_an_empty_one() -> None:
    shared, nobodys = _written(
        Event(change("1"), "u", 1, NOON, None, b"{}"), Event(change("2"), "u", 2, NOON, "", b"{}")
    )
    assert (shared["tenant_id"], nobodys["tenant_id"]) == (None, "")


def test_an_event_without_a_state_has_a_null_state() -> None:
    (row,) = _written(Event(change("1", "d"), "d", 1, NOON, None, None))
    assert row["entity_state"] is None


@pytest.mark.parametrize("fields", [["body"], ["a", "b", "é"], [""]])
def test_unavailable_fields_are_a_text_array(fields: list[str]) -> None:
    (row,) = _written(Event(change("1"), "u", 1, NOON, None, b"{}", fields))
    assert row["unavailable_fields"] == fields


@pytest.mark.parametrize("instant", [FIRST, 0, POSTGRES_EPOCH - 1, POSTGRES_EPOCH, LAST])
def test_every_instant_of_the_calendar_can_be_written(instant: int) -> None:
    (row,) = _written(Event(change("1", source_time=instant), "u", 1, instant, None, b"{}"))
    assert row["event_timestamp"] == instant


@pytest.mark.parametrize("number", [0, 2**63 - 1])
def test_numbers_have_64_bits(number: int) -> None:
    numbered = change("1", lsn=number, txid=number, commit_lsn=number)
    (row,) = _written(Event(numbered, "u", number, NOON, None, b"{}"), shard_id=2**31 - 1)
    assert (row["source_lsn"], row["source_txid"], row["position"]) == (number, number, number)


def test_rows_follow_one_another_in_order() -> None:
    events = [Event(streamed(str(n)), "u", n, NOON + n % 2, "t", b"{}" * n) for n in range(1, 50)]
    assert [row["position"] for row in _written(*events)] == list(range(1, 50))


def test_no_events_are_an_empty_copy() -> None:
    assert _written() == []
