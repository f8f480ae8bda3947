"""What Kafka Connect says, what a snapshot's signal holds, how bytes are shown, what a late record counts as."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from msr_stream.connectors import Task, read_connectors
from msr_stream.overview import overview
from msr_stream.recording.cache import EntityCache
from msr_stream.recording.fold import fold
from msr_stream.recording.progress import Progress, Shard
from msr_stream.recording.retry import late
from msr_stream.recording.survey import survey
from msr_stream.records.change import Change
from msr_stream.snapshots import signal
from msr_stream.store.dead_letters import shown
from msr_stream.store.sources import Known
from tests.unit.building import NOON, change, streamed
from web.dead_letters import Choice, Ids
from web.sources import Wish

#: As Kafka Connect 4.3 answers `GET /connectors?expand=info&expand=status`.
CONNECT = {
    "ships": {
        "info": {"name": "ships", "config": {"topic.prefix": "demo", "database.password": "secret"}, "type": "source"},
        "status": {
            "name": "ships",
            "connector": {"state": "RUNNING", "worker_id": "127.0.0.1:8083", "version": "3.6.1.Final"},
            "tasks": [
                {"id": 0, "state": "RUNNING", "worker_id": "127.0.0.1:8083"},
                {"id": 1, "state": "FAILED", "trace": "\norg.apache.kafka.ConnectException: no slot\n\tat io.debezium"},
            ],
        },
    },
    "sink": {"info": {"config": {"topics": "a"}}, "status": {"connector": {"state": "RUNNING"}, "tasks": []}},
    "new": {"info": {"config": {"topic.prefix": "fresh"}}},
}


def test_connectors_are_told_apart_by_the_source_they_capture() -> None:
    """A sink captures none; one that was made just now has no status yet; of a trace the first line is enough."""
    new, ships = read_connectors(CONNECT)
    assert (new.name, new.source, new.state, new.tasks) == ("new", "fresh", "UNKNOWN", [])
    assert (ships.name, ships.source, ships.state) == ("ships", "demo", "RUNNING")
    failed = Task(1, "FAILED", "org.apache.kafka.ConnectException: no slot")
    assert ships.tasks == [Task(0, "RUNNING", None), failed]


def test_a_source_that_nothing_is_recorded_of_is_shown_with_its_connector() -> None:
    demo, fresh = overview(Known([], [], []), read_connectors(CONNECT), None, {})
    assert (fresh.source, fresh.shards, fresh.heard_at) == ("fresh", [], None)
    assert "secret" not in demo.model_dump_json()


@pytest.mark.parametrize(("end", "lag"), [(None, None), (10, 0), (12, 2), (3, 0)], ids=str)
def test_the_lag_is_what_the_broker_has_beyond_what_is_flushed(end: int | None, lag: int | None) -> None:
    """A log that ends earlier is another one, which its owner finds out."""
    row = {
        "source": "d", "topic": "d.s.t", "partition": 0, "flushed_offset": 9, "last_position": 4, "events": 4,
        "last_effective": NOON, "settled_until": None, "live_entities": 1, "copies": 0, "dead_letters": 0, "live": True,
        "stopped": None, "retired_at": None,
    }  # fmt: skip
    source = {"source": "d", "marker_at": NOON, "heard_at": NOON, "slot_state": None}
    ends = {Shard("d.s.t", 0): end} if end is not None else {}
    [one] = overview(Known([source], [], [row]), [], "why", ends)
    [shard] = one.shards
    assert (shard.end_offset, shard.lag, shard.last_event) == (end, lag, "2026-11-23T00:00:00.000000Z")
    assert (one.marker_at, one.error) == ("2026-11-23T00:00:00.000000Z", "why")


def test_a_signal_is_what_debezium_reads() -> None:
    one, other = (json.loads(signal(["s.t", "s.u"], "incremental")) for _ in range(2))
    assert one["type"] == "execute-snapshot"
    assert one["data"] == {"data-collections": ["s.t", "s.u"], "type": "incremental"}
    assert one["id"] != other["id"]


@pytest.mark.parametrize(
    ("raw", "size", "text", "encoding", "cut"),
    [
        (b"", 0, "", "utf-8", False),
        ("é".encode(), 2, "é", "utf-8", False),
        (b"a\xc3", 3, "a", "utf-8", True),  # the cut goes through a character
        (b"a\xc3", 2, "YcM=", "base64", False),
        (b"\xff\x00", 9, "/wA=", "base64", True),
    ],
)
def test_bytes_are_shown_as_text_where_they_are_text(
    raw: bytes, size: int, text: str, encoding: str, cut: bool
) -> None:
    assert shown(raw, size) == {"text": text, "encoding": encoding, "cut": cut}
    assert shown(None, None) is None


PROGRESS = Progress(
    1, version=5, flushed_offset=99, record_offset=99, last_position=7, last_effective=NOON + 5, settled_until=NOON + 9,
    newest_source_time=NOON, last_sequence=(10, 20), unsequenced_lsn=15,
)  # fmt: skip


@pytest.mark.parametrize(
    ("late_change", "sequence", "newest", "unsequenced"),
    [
        (streamed("1", "c", (9, 30), source_time=NOON - 1), (10, 20), NOON, 15),
        (streamed("1", "c", (10, 21), source_time=NOON + 1), (10, 21), NOON + 1, 15),
        (streamed("1", "c", (None, 17)), (10, 20), NOON, 17),
        (change("1", "r"), (10, 20), NOON, 15),
    ],
    ids=["older", "newest", "unsequenced", "snapshot"],
)
def test_a_late_change_never_sets_the_capture_back(
    late_change: Change, sequence: tuple[int, int], newest: int, unsequenced: int
) -> None:
    """What it brings counts as recorded where it is the newest; the offset and the record flushed last stay."""
    surveyed = survey([late_change], EntityCache(2, complete=True))
    folded = fold([late_change], PROGRESS, surveyed, {}, NOON + 100)
    batch = late(PROGRESS, late_change, folded)
    after = batch.after
    assert (after.last_sequence, after.newest_source_time, after.unsequenced_lsn) == (sequence, newest, unsequenced)
    assert (after.flushed_offset, after.record_offset, after.settled_until) == (99, 99, NOON + 9)
    assert (after.version, after.last_position, after.last_effective) == (6, 8, NOON + 10)
    assert sum(batch.activity.values()) == batch.live_delta == 1


@pytest.mark.parametrize("ids", [[], [0], [-1], [2**63], ["1"], [True], [1.0], None, {"a": 1}, list(range(1, 1002))])
def test_only_numbers_of_letters_are_retried(ids: Any) -> None:
    with pytest.raises(ValidationError):
        Ids.model_validate({"ids": ids})
    assert Ids.model_validate({"ids": [1, 2**63 - 1]}).ids == [1, 2**63 - 1]


@pytest.mark.parametrize("wish", [{"tables": []}, {"tables": "s.t"}, {"type": "full"}, {"table": ["s.t"]}])
def test_a_wish_for_a_snapshot_that_says_nothing_clear_is_refused(wish: Any) -> None:
    with pytest.raises(ValidationError):
        Wish.model_validate(wish)
    assert Wish.model_validate({}).model_dump() == {"tables": None, "type": "blocking"}


@pytest.mark.parametrize("choice", [{"state": "gone"}, {"source": "a\0b"}, {"table": ["a", "b"]}, {"code": "x" * 501}])
def test_a_choice_of_letters_that_cannot_be_is_refused(choice: Any) -> None:
    with pytest.raises(ValidationError):
        Choice.model_validate(choice)
    assert Choice.model_validate({"source": "d", "page": ["1", "2"]}).source == "d"
