"""From what a window is counted, and how long its buckets are."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from msr_stream.instants import DAY, HOUR, MINUTE
from msr_stream.store.activity import Piece, bucket_length, pieces

T = 20_000 * DAY


def test_a_window_is_days_in_the_middle_and_smaller_at_both_edges() -> None:
    begin, end = T + 5 * HOUR + 7 * MINUTE + 3, T + 3 * DAY + HOUR + MINUTE + 9
    assert pieces(begin, end) == [
        Piece(0, begin, T + 5 * HOUR + 8 * MINUTE),
        Piece(MINUTE, T + 5 * HOUR + 8 * MINUTE, T + 6 * HOUR),
        Piece(HOUR, T + 6 * HOUR, T + DAY),
        Piece(DAY, T + DAY, T + 3 * DAY),
        Piece(HOUR, T + 3 * DAY, T + 3 * DAY + HOUR),
        Piece(MINUTE, T + 3 * DAY + HOUR, T + 3 * DAY + HOUR + MINUTE),
        Piece(0, T + 3 * DAY + HOUR + MINUTE, end),
    ]


def test_a_window_within_a_minute_is_events_and_an_empty_one_nothing() -> None:
    assert pieces(T + 1, T + 2) == [Piece(0, T + 1, T + 2)]
    assert pieces(T, T) == []


def test_pieces_follow_one_another_and_events_are_never_a_whole_minute() -> None:
    random = Random(3)
    for _ in range(500):
        begin = T + random.randrange(40 * DAY) * random.choice((0, 1))
        end = begin + random.randrange(random.choice((MINUTE, HOUR, DAY, 40 * DAY))) + 1
        found = pieces(begin, end)
        assert (found[0].begin, found[-1].end) == (begin, end)
        assert all(one.end == other.begin for one, other in pairwise(found))
        for piece in found:
            assert piece.begin < piece.end
            if piece.span:
                assert piece.begin % piece.span == piece.end % piece.span == 0
            else:
                assert piece.end - piece.begin < MINUTE


@pytest.mark.parametrize(
    ("window", "buckets", "length"),
    [
        (10, 200, MINUTE),
        (HOUR, 70, MINUTE),
        (HOUR, 8, 10 * MINUTE),
        (2 * DAY, 2000, 2 * MINUTE),
        (3 * DAY, 2000, HOUR),
        (30 * DAY, 200, 4 * HOUR),
        (30 * DAY, 40, 19 * HOUR),
        (30 * DAY, 31, DAY),
        (30 * DAY, 1, 31 * DAY),
    ],
)
def test_a_bucket_is_as_short_as_the_number_allows(window: int, buckets: int, length: int) -> None:
    assert bucket_length(T, T + window, buckets) == length


def test_there_are_never_more_buckets_than_were_asked_for() -> None:
    random = Random(5)
    for _ in range(2000):
        start, buckets = T + random.randrange(3 * DAY), random.randrange(1, 2001)
        end = start + random.randrange(random.choice((HOUR, DAY, 60 * DAY)))
        length = bucket_length(start, end, buckets)
        unit = max(span for span in (DAY, HOUR, MINUTE) if length % span == 0)
        assert (end - start // unit * unit) // length < buckets
        assert HOUR % length == 0 or length % HOUR == 0
