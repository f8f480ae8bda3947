"""What the capture sends twice is stored once (design, invariant 2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from msr_stream.recording.dedupe import Predecessor, Sifted, candidates, sift
from msr_stream.records.change import Change, DeadLetter, Decoded, Identity, Marker
from msr_stream.records.change import Sequence as CaptureSequence
from msr_stream.records.decode import Decoder
from tests.unit.building import NOON, change, fixture, streamed


class Shard:
    """A shard as the deriver keeps it, with a plain set for the database."""

    def __init__(self, last: CaptureSequence | None = None, newest: int | None = None) -> None:
        self.last, self.newest = last, newest
        self.recorded: set[Identity] = set()
        self.changes: list[Change] = []
        self.copies = 0
        self.predecessor = Predecessor()

    def take(self, *run: Decoded) -> Sifted:
        """Record a run."""
        asked = candidates(run, self.last)
        sifted = sift(run, asked, asked & self.recorded, self.last, self.newest, self.predecessor)
        self.last, self.newest, self.predecessor = sifted.last_sequence, sifted.newest_source_time, sifted.predecessor
        self.recorded |= {item.identity for item in sifted.changes if item.identity is not None}
        self.recorded |= {item.identity for item in sifted.dead_letters if item.identity is not None}
        self.changes += sifted.changes
        self.copies += sifted.copies
        return sifted


def _decoded(name: str, topic: str) -> list[Decoded]:
    decoder = Decoder(topic)
    return [decoder.decode(record) for of, _, record in fixture(name) if of == topic]


def _runs(items: Sequence[Decoded], length: int) -> Iterable[Sequence[Decoded]]:
    return (items[start : start + length] for start in range(0, len(items), length))


# The captures, end to end


@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 57])
def test_two_crashes_of_connect_leave_no_change_twice_and_none_out(length: int) -> None:
    shard = Shard()
    for run in _runs(_decoded("redelivered", "dup.cpos.seqt"), length):
        shard.take(*run)
    assert [change.offset for change in shard.changes] == [*range(49), *range(53, 57)]
    assert shard.copies == 4


@pytest.mark.parametrize("length", [1, 2, 5, 57])
def test_a_capture_that_is_sent_again_from_any_record_is_stored_once(length: int) -> None:
    items = [item for item in _decoded("redelivered", "dup.cpos.seqt") if isinstance(item, Change) and item.lsn]
    for cut in range(0, len(items), 5):
        shard = Shard()
        for run in _runs([*items[: cut + 8], *items[cut:]], length):
            shard.take(*run)
        identities = [change.identity for change in shard.changes]
        assert len(identities) == len(set(identities)) == len({item.identity for item in items})


@pytest.mark.parametrize("length", [1, 2, 3, 17])
def test_the_rows_of_a_copy_and_both_halves_of_a_key_change_are_all_stored(length: int) -> None:
    shard = Shard()
    for run in _runs(_decoded("copy_and_markers", "cp.cpos.seqt"), length):
        shard.take(*run)
    assert [change.offset for change in shard.changes] == [*range(15), 16]
    assert shard.copies == 0


@pytest.mark.parametrize("length", [1, 2, 3, 34])
def test_a_copy_batch_and_a_key_change_sent_again_are_stored_once(length: int) -> None:
    items = _decoded("copy_and_markers", "cp.cpos.seqt")[10:]
    shard = Shard()
    for run in _runs([*items, *items], length):
        shard.take(*run)
    assert len([change for change in shard.changes if not change.tombstone]) == 6
    assert [change.follows for change in shard.changes if change.tombstone] == [9362982784]
    assert shard.copies == 6


# Piece by piece


def test_a_higher_sequence_is_new_and_nothing_is_looked_up_for_it() -> None:
    run = [streamed("1", sequence=(1, 1)), streamed("1", sequence=(1, 2)), streamed("1", sequence=(2, 1))]
    assert candidates(run, None) == set()
    assert candidates(run, (1, 0)) == set()
    assert Shard().take(*run).last_sequence == (2, 1)


def test_sequences_are_compared_as_pairs_of_numbers() -> None:
    shard = Shard(last=(9, 9))
    assert shard.take(streamed("1", sequence=(10, 1))).copies == 0
    assert candidates([streamed("1", sequence=(9, 100))], (10, 1)) == {(100, 7, "s.t", "1")}


def test_a_recorded_identity_is_a_copy() -> None:
    shard = Shard()
    shard.take(streamed("1", sequence=(5, 5)))
    assert shard.take(streamed("1", sequence=(5, 5))).changes == []
    assert shard.copies == 1


def test_a_copy_within_the_same_run_is_found() -> None:
    one, two = streamed("1", sequence=(5, 5)), streamed("2", sequence=(5, 6))
    assert Shard().take(one, two, one, two).changes == [one, two]


def test_a_lower_sequence_that_was_not_recorded_is_new() -> None:
    shard = Shard(last=(9, 9), newest=NOON + 1)
    sifted = shard.take(streamed("1", sequence=(5, 5)))
    assert len(sifted.changes) == 1
    assert sifted.last_sequence == (9, 9)
    assert sifted.epoch is None


def test_a_sequence_that_begins_with_null_is_looked_up_and_moves_nothing() -> None:
    shard = Shard(last=(9, 9), newest=NOON - 1)
    one = streamed("1", sequence=(None, 5))
    assert candidates([one], (9, 9)) == {(5, 7, "s.t", "1")}
    sifted = shard.take(one)
    assert (sifted.changes, sifted.last_sequence, sifted.epoch) == ([one], (9, 9), None)
    assert shard.take(one).changes == []


def test_the_same_numbers_in_another_transaction_are_another_record() -> None:
    shard = Shard()
    shard.take(streamed("1", sequence=(5, 5), txid=7))
    assert len(shard.take(streamed("1", sequence=(5, 5), txid=8)).changes) == 1


def test_a_record_without_a_transaction_id_still_has_an_identity() -> None:
    shard = Shard()
    shard.take(streamed("1", sequence=(5, 5), txid=None))
    assert shard.take(streamed("1", sequence=(5, 5), txid=None)).copies == 1


def test_a_restored_source_that_runs_through_old_numbers_begins_an_epoch() -> None:
    shard = Shard()
    shard.take(streamed("1", sequence=(50, 50)))
    restored = streamed("1", sequence=(10, 10), txid=3, source_time=NOON + 5)
    sifted = shard.take(restored)
    assert sifted.epoch is restored
    assert sifted.last_sequence == (10, 10)
    later = streamed("1", sequence=(10, 11), txid=4, source_time=NOON + 6)
    assert candidates([later], shard.last) == set()
    assert shard.take(later).epoch is None


def test_one_epoch_is_said_once_a_run() -> None:
    shard = Shard(last=(50, 50), newest=NOON)
    first, second = (streamed(str(n), sequence=(10, n), source_time=NOON + n) for n in (1, 2))
    sifted = shard.take(first, second)
    assert sifted.epoch is first
    assert len(sifted.changes) == 2


def test_rows_of_one_copy_begin_no_epoch() -> None:
    shard = Shard(last=(5, 5), newest=NOON)
    sifted = shard.take(*(streamed(str(n), sequence=(6, 6), source_time=NOON + 1) for n in range(3)))
    assert (len(sifted.changes), sifted.epoch) == (3, None)


def test_a_copy_begins_no_epoch() -> None:
    shard = Shard()
    shard.take(streamed("1", sequence=(5, 5)), streamed("1", sequence=(6, 6)))
    assert shard.take(streamed("1", sequence=(5, 5), source_time=NOON + 9)).epoch is None


def test_snapshot_reads_neither_move_the_last_sequence_nor_begin_an_epoch() -> None:
    shard = Shard(last=(5, 5), newest=NOON)
    sifted = shard.take(change("1", "r", source_time=NOON + 9), change("1", "r", source_time=NOON + 9))
    assert len(sifted.changes) == 2
    assert (sifted.last_sequence, sifted.newest_source_time, sifted.epoch) == ((5, 5), NOON, None)


def test_a_dead_letter_sent_twice_is_kept_once() -> None:
    letter = DeadLetter(3, "NUL_CHARACTER", "reason", (5, 7, "s.t", "1"))
    shard = Shard()
    assert shard.take(letter).dead_letters == [letter]
    assert shard.take(letter).dead_letters == []
    assert shard.take(letter, letter).copies == 2
    assert Shard().take(letter, letter).dead_letters == [letter]


def test_a_dead_letter_that_nothing_identifies_is_always_kept() -> None:
    letter = DeadLetter(3, "NOT_JSON", "reason")
    assert Shard().take(letter, letter).dead_letters == [letter, letter]


def test_a_change_that_was_a_dead_letter_before_is_a_copy() -> None:
    shard = Shard(last=(9, 9))
    shard.take(DeadLetter(3, "REFUSED", "reason", (5, 7, "s.t", "1")))
    assert shard.take(streamed("1", sequence=(5, 5))).copies == 1


def test_markers_pass_and_records_that_say_nothing_leave_nothing() -> None:
    sifted = Shard().take(Marker("p", 5), None, Marker("p", 4))
    assert sifted.markers == [Marker("p", 5), Marker("p", 4)]
    assert sifted.changes == []


# Tombstones


def _tombstone(entity: str) -> Change:
    return change(entity, "d", None, tombstone=True)


def _delete(entity: str, number: int) -> Change:
    return streamed(entity, "d", (number, number))


def test_the_tombstone_after_a_delete_says_nothing_of_its_own() -> None:
    delete = _delete("1", 5)
    assert Shard().take(delete, _tombstone("1")).changes == [delete]


def test_also_when_a_run_ends_between_the_two() -> None:
    shard = Shard()
    shard.take(_delete("1", 5))
    assert shard.take(_tombstone("1")).changes == []


def test_a_tombstone_of_another_entity_may_be_a_delete() -> None:
    other = _tombstone("2")
    assert Shard().take(_delete("1", 5), other).changes[-1] is other


def test_a_tombstone_alone_may_be_a_delete() -> None:
    alone = _tombstone("1")
    assert Shard().take(alone).changes == [alone]
    assert Shard().take(streamed("1", "u"), alone).changes[-1] is alone


def test_a_tombstone_after_a_copy_says_which_one_it_follows() -> None:
    """Whether it is new is seen in the fold: whether what it follows is still the entity's last event."""
    shard = Shard()
    shard.take(_delete("1", 5), _tombstone("1"), streamed("1", "c", (6, 6)))
    (kept,) = shard.take(_delete("1", 5), _tombstone("1"), streamed("1", "c", (6, 6))).changes
    assert (kept.tombstone, kept.follows) == (True, 5)


def test_also_when_a_run_ends_between_the_copy_and_its_tombstone() -> None:
    shard = Shard()
    shard.take(_delete("1", 5), _tombstone("1"), streamed("1", "c", (6, 6)))
    shard.take(_delete("1", 5))
    (kept,) = shard.take(_tombstone("1")).changes
    assert kept.follows == 5


def test_a_tombstone_after_a_new_change_follows_no_copy() -> None:
    (_, kept) = Shard().take(streamed("1"), _tombstone("1")).changes
    assert kept.follows is None


def test_what_was_sent_without_a_whole_sequence_is_known_when_it_comes_with_one() -> None:
    """A capture that starts without a stored offset sends null first; after a crash the same record may be whole."""
    first, again = streamed("1", sequence=(None, 100)), streamed("1", sequence=(90, 100))
    sifted = sift([first], candidates([first], None), set(), None, None, Predecessor())
    assert (sifted.last_sequence, sifted.unsequenced_lsn) == (None, 100)
    asked = candidates([again], sifted.last_sequence, sifted.unsequenced_lsn)
    assert asked == {again.identity}
    left = sift([again], asked, asked, None, None, Predecessor(), sifted.unsequenced_lsn)
    assert (left.changes, left.copies) == ([], 1)


@pytest.mark.parametrize(
    ("sequence", "time", "removed", "copies"),
    [
        ((1, 2), NOON - 5, NOON, 1),
        ((1, 2), NOON - 5, NOON - 5, 0),  # its history is there: it would have been found
        ((1, 2), NOON, NOON + 1, 0),  # not before what came last
        ((8, 9), NOON - 5, NOON, 0),  # it shares the sequence of what came last, as rows of one COPY do
        ((None, 2), NOON - 5, NOON, 0),
    ],
)
def test_what_goes_back_to_removed_history_is_a_copy(
    sequence: tuple[int | None, int], time: int, removed: int, copies: int
) -> None:
    """Whether it was recorded, nobody can tell any more: its order and its time tell."""
    again = streamed("1", sequence=sequence)
    again.source_time = time
    asked = candidates([again], (8, 9))
    sifted = sift([again], asked, set(), (8, 9), NOON, Predecessor(), None, {again.table_name: removed})
    assert (sifted.copies, len(sifted.changes)) == (copies, 1 - copies)
