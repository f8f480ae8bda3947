"""What one transaction writes, put together from a run's results."""

from __future__ import annotations

from typing import Any

from msr_stream.instants import MINUTE
from msr_stream.recording.batch import Batch, assemble
from msr_stream.recording.dedupe import Predecessor, Sifted
from msr_stream.recording.event import Event
from msr_stream.recording.fold import Folded
from msr_stream.recording.progress import Progress, record_hash
from msr_stream.records.change import DeadLetter, Marker
from tests.unit.building import NOON, change, record

BEFORE = Progress(
    shard_id=1, version=4, flushed_offset=9, record_offset=9, record_timestamp=1, record_hash=b"x", last_position=5,
    last_effective=NOON - 1, newest_source_time=NOON - 2, settled_until=NOON - 10, last_sequence=(1, 1),
)  # fmt: skip


def _assembled(events: list[Event] | None = None, **given: Any) -> Batch:
    sifted = Sifted([], [], [], [], 0, (2, 2), NOON, None, None, Predecessor())._replace(**given.pop("sifted", {}))
    folded = Folded(events or [], {}, 0, 0)._replace(**given.pop("folded", {}))
    records = given.pop("records", [record("a", offset=10), record("b", offset=12, timestamp=7)])
    return assemble(BEFORE, sifted, folded, records, given.pop("next_offset", 15), given.pop("settle_at", None), NOON)


def _event(position: int, time: int, **more: Any) -> Event:
    one = change(str(position), **more)
    return Event(one, one.op, position, time, one.tenant, one.state)


def test_progress_goes_to_the_end_of_the_run_also_over_offsets_that_no_record_has() -> None:
    after = _assembled().after
    assert (after.flushed_offset, after.record_offset, after.record_timestamp) == (14, 12, 7)
    assert after.record_hash == record_hash(record("b"))
    assert after.version == BEFORE.version + 1


def test_a_run_without_records_moves_the_offset_alone() -> None:
    after = _assembled(records=[]).after
    assert (after.flushed_offset, after.record_offset, after.record_hash) == (14, 9, b"x")
    assert (after.last_position, after.last_effective) == (5, NOON - 1)


def test_the_last_event_gives_position_and_effective_time() -> None:
    after = _assembled([_event(6, NOON), _event(7, NOON + 1)]).after
    assert (after.last_position, after.last_effective) == (7, NOON + 1)


def test_sequence_and_newest_source_time_are_what_the_run_left() -> None:
    after = _assembled(sifted={"last_sequence": (9, 9), "newest_source_time": 77}).after
    assert (after.last_sequence, after.newest_source_time) == ((9, 9), 77)


def test_the_settled_instant_is_raised_and_never_lowered() -> None:
    assert _assembled(settle_at=NOON).after.settled_until == NOON
    assert _assembled(settle_at=NOON - 20).after.settled_until == BEFORE.settled_until
    assert _assembled().after.settled_until == BEFORE.settled_until


def test_activity_counts_by_minute_table_tenant_and_operation() -> None:
    start = NOON - NOON % MINUTE
    events = [
        _event(6, start, tenant="t1"), _event(7, start + MINUTE - 1, tenant="t1"),
        _event(8, start + MINUTE, tenant="t1"),
        _event(9, start + MINUTE, tenant=None), _event(10, start + MINUTE, op="d", tenant="t1"),
        _event(11, start + MINUTE, table_name="s.u", tenant="t1"),
    ]  # fmt: skip
    assert _assembled(events).activity == {
        (start, "s.t", "t1", "u"): 2,
        (start + MINUTE, "s.t", "t1", "u"): 1,
        (start + MINUTE, "s.t", None, "u"): 1,
        (start + MINUTE, "s.t", "t1", "d"): 1,
        (start + MINUTE, "s.u", "t1", "u"): 1,
    }


def test_activity_before_1970_counts_in_the_minute_it_lies_in() -> None:
    assert list(_assembled([_event(6, -1)]).activity) == [(-MINUTE, "s.t", None, "u")]


def test_a_dead_letter_comes_with_its_record() -> None:
    letter = DeadLetter(12, "NOT_JSON", "reason")
    ((found, its_record),) = _assembled(sifted={"dead_letters": [letter]}).dead_letters
    assert found is letter
    assert (its_record.offset, its_record.value) == (12, b"b")


def test_of_a_sources_markers_the_newest_counts() -> None:
    markers = [Marker("a", 5), Marker("b", 1), Marker("a", 9), Marker("a", 7)]
    assert _assembled(sifted={"markers": markers}).markers == {"a": 9, "b": 1}


def test_copies_left_out_on_both_ways_are_counted() -> None:
    assert _assembled(sifted={"copies": 3}, folded={"copies": 2}).copies == 5


def test_records_of_one_offset_differ_by_key_value_and_by_what_is_null() -> None:
    kinds = [("a", "b"), ("ab", ""), ("", "ab"), ("b", None), ("b", ""), ("a", "")]
    assert len({record_hash(record(value, key)) for value, key in kinds}) == len(kinds)


def test_a_tombstone_and_an_empty_value_are_two_records() -> None:
    assert record_hash(record(None)) != record_hash(record(""))


def test_the_last_record_is_known_again() -> None:
    after = _assembled().after
    assert after.is_last_record(record("b", offset=12, timestamp=7))
    assert not after.is_last_record(record("c", offset=12, timestamp=7))
    assert not after.is_last_record(record("b", offset=13, timestamp=7))


def test_the_same_bytes_written_at_another_time_are_another_record() -> None:
    """A topic made anew may hold the same tombstone at the same offset (design, invariant 3)."""
    assert not _assembled().after.is_last_record(record("b", offset=12, timestamp=8))
