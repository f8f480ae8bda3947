"""What Debezium tells of its snapshots."""

from __future__ import annotations

import json
from typing import Any

import pytest

from msr_stream.recording.notices import parse
from tests.unit.building import captured

SCANNED: dict[str, Any] = {
    "id": "4", "type": "TABLE_SCAN_COMPLETED", "aggregate_type": "Initial Snapshot", "timestamp": 1,
    "additional_data": {
        "connector_name": "d", "scanned_collection": "s.t", "total_rows_scanned": "7", "status": "SUCCEEDED",
    },
}  # fmt: skip


def told(**given: Any) -> bytes:
    """A notification of a table read, with other data."""
    return json.dumps({**SCANNED, "additional_data": {**SCANNED["additional_data"], **given}}).encode()


def test_a_snapshot_is_told_as_debezium_tells_it() -> None:
    found = [
        parse(line["value"].encode()) for line in captured("copy_and_markers") if line["topic"] == "msr.notifications"
    ]
    notices = [one for one in found if one is not None]
    assert [one.kind for one in notices] == ["STARTED", "TABLE_SCAN_COMPLETED", "COMPLETED"]
    assert {one.source for one in notices} == {"cp"}
    assert (notices[1].collection, notices[1].rows, notices[1].told_at) == ("cpos.seqt", 10, 1795397666061000)


@pytest.mark.parametrize(
    ("given", "rows"),
    [
        ({}, 7),
        ({"status": "EMPTY", "total_rows_scanned": "0"}, 0),
        ({"status": "SQL_EXCEPTION"}, None),
        ({"status": None}, None),
        ({"total_rows_scanned": None}, None),
        ({"total_rows_scanned": "x"}, None),
        ({"total_rows_scanned": "9" * 30}, None),
    ],
)
def test_only_a_table_that_was_read_whole_has_a_number_of_rows(given: dict[str, Any], rows: int | None) -> None:
    notice = parse(told(**given))
    assert notice is not None
    assert notice.rows == rows


@pytest.mark.parametrize(
    "value",
    [
        None, b"", b"{", b"[]", b'"x"', b"\xff", b"{}", told(connector_name=None), told(scanned_collection="s.\0"),
        json.dumps({**SCANNED, "aggregate_type": "Streaming"}).encode(),
        json.dumps({**SCANNED, "type": "IN_PROGRESS"}).encode(),
        json.dumps({**SCANNED, "timestamp": 10**18}).encode(),
    ],
)  # fmt: skip
def test_what_says_nothing_of_a_snapshot_is_passed_over(value: bytes | None) -> None:
    """Whatever else is told on that topic, and whatever is no notification at all, ends nobody."""
    assert parse(value) is None


def test_a_notification_with_a_schema_is_read_too() -> None:
    assert parse(json.dumps({"schema": {}, "payload": SCANNED}).encode()) == parse(json.dumps(SCANNED).encode())


def test_all_that_is_told_of_an_incremental_snapshot_bears_the_id_of_its_signal() -> None:
    """Each of these notifications is kept, and each once."""
    told_of = {"aggregate_type": "Incremental Snapshot"}
    kinds = [{"type": "STARTED"}, {}, {"type": "COMPLETED"}]
    notices = [parse(json.dumps({**SCANNED, **told_of, **kind}).encode()) for kind in kinds]
    assert [notice and (notice.request, notice.rows) for notice in notices] == [("4", None), ("4", 7), ("4", None)]
    assert len({notice and notice.id for notice in notices}) == 3
    assert parse(json.dumps({**SCANNED, **told_of}).encode()) == notices[1]
