"""Commands over a whole table, as a shard sees them: what comes before them, and what after."""

from __future__ import annotations

import pytest

from msr_stream.recording.commands import Due, first_later, is_later, is_past
from msr_stream.recording.dedupe import Predecessor, candidates, sift
from msr_stream.recording.progress import Progress
from msr_stream.records.change import Command, DeadLetter, Marker
from tests.unit.building import NOON, change


def due(**given: object) -> Due:
    plain: dict[str, object] = {
        "command_id": 1, "kind": "truncate", "table_name": "s.t", "carried": False, "source_timestamp": NOON,
        "source_commit_lsn": 10, "source_lsn": 20, "source_txid": 7, "command_timestamp": NOON,
    }  # fmt: skip
    return Due(**plain | given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sequence", "later"), [((10, 19), False), ((10, 20), False), ((10, 21), True), ((11, 5), True), ((9, 99), False)]
)
def test_the_pair_says_what_comes_after_a_command(sequence: tuple[int, int], later: bool) -> None:
    """Not the time, which a transaction takes a little before its place in the log."""
    for time in (NOON - 5, NOON + 5):
        assert is_later(change("1", sequence=sequence, lsn=sequence[1], source_time=time), due()) is later


@pytest.mark.parametrize(("lsn", "txid", "time", "later"), [
    (19, 7, NOON, False), (21, 7, NOON, True), (99, 8, NOON, False), (5, 8, NOON + 1, True),
])  # fmt: skip
def test_without_a_pair_its_transaction_or_its_time_says_so(lsn: int, txid: int, time: int, later: bool) -> None:
    sent = change("1", sequence=None, lsn=lsn, txid=txid, source_time=time)
    assert is_later(sent, due()) is later
    assert is_later(sent, due(source_commit_lsn=None)) is later


def test_a_snapshots_row_is_placed_by_its_time() -> None:
    """It has no log number of its own: one read after the truncate must not be ended by it."""
    assert not is_later(change("1", "r", source_time=NOON - 1), due())
    assert is_later(change("1", "r", source_time=NOON + 1), due())


def test_a_run_is_cut_before_the_first_change_after_any_command() -> None:
    before, after = change("1", sequence=(10, 11), lsn=11), change("2", sequence=(12, 13), lsn=13)
    others = [None, Marker("d", NOON), DeadLetter(1, "X", "x")]
    assert first_later([*others, before, after], [due(), due(source_lsn=99)]) == 4
    assert first_later([*others, before], [due()]) is None
    assert first_later([after], []) is None


@pytest.mark.parametrize(("given", "progress", "past"), [
    ({}, Progress(1), False),
    ({"carried": True}, Progress(1), True),
    ({"kind": "snapshot"}, Progress(1), True),
    ({}, Progress(1, last_sequence=(10, 21), newest_source_time=NOON + 1), True),
    ({}, Progress(1, last_sequence=(10, 19), newest_source_time=NOON + 1), False),
    ({}, Progress(1, last_sequence=(10, 21), newest_source_time=NOON - 1), False),  # numbers of an earlier epoch
    ({"source_commit_lsn": None}, Progress(1, last_sequence=(10, 21), newest_source_time=NOON + 1), False),
])  # fmt: skip
def test_a_shard_is_past_a_command_once_it_has_something_later(
    given: dict[str, object], progress: Progress, past: bool
) -> None:
    assert is_past(due(**given), progress) is past


def test_a_command_sent_twice_is_one() -> None:
    """In one run, and when it was recorded before: the copy rule of changes."""
    one = Command(3, "s.t", NOON, (1, 5), 5, 700, 1)
    again = Command(4, "s.t", NOON, (1, 5), 5, 700, 1)
    other = Command(5, "s.u", NOON, (1, 5), 5, 700, 1)
    found = sift([one, again, other], candidates([one, again, other], None), set(), None, None, Predecessor())
    assert (found.commands, found.copies, found.last_sequence) == ([one, other], 1, (1, 5))
    asked = candidates([again], (2, 6))
    assert asked == {(5, 700, "s.t", "")}
    assert sift([again], asked, asked, (2, 6), NOON, Predecessor()).commands == []
