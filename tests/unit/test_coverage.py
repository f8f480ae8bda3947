"""Coverage: where all shards of a table were recorded, and what lies between."""

from __future__ import annotations

import pytest

from msr_stream.coverage import NOT_YET, Interval, covered, within
from msr_stream.instants import FIRST, LAST

ALWAYS = [Interval(FIRST, LAST)]
HOLE = [Interval(FIRST, 50, "hole"), Interval(60, LAST)]
LOST = [Interval(FIRST, 55, "slot lost"), Interval(80, LAST)]
WAITING = [Interval(FIRST, 55, "slot lost"), Interval(LAST, LAST)]
ENDED = [Interval(FIRST, 90, "retired")]


@pytest.mark.parametrize(
    ("shards", "intervals"),
    [
        ([ALWAYS, ALWAYS], [Interval(10, LAST)]),
        ([ALWAYS, HOLE], [Interval(10, 50, "hole"), Interval(60, LAST)]),
        ([HOLE, LOST], [Interval(10, 50, "hole"), Interval(80, LAST)]),
        ([HOLE, WAITING], [Interval(10, 50, "hole")]),
        ([HOLE, ENDED], [Interval(10, 50, "hole"), Interval(60, 90, "retired")]),
        ([[Interval(FIRST, 5, "hole"), Interval(7, LAST)]], [Interval(10, LAST)]),
    ],
)
def test_a_table_is_covered_where_each_of_its_shards_is(
    shards: list[list[Interval]], intervals: list[Interval]
) -> None:
    assert covered(10, shards) == intervals


def test_a_table_without_a_record_is_covered_nowhere() -> None:
    assert covered(None, [ALWAYS]) == []
    assert within([], 1, 9).gaps == [Interval(1, 9, NOT_YET)]


def test_gaps_say_what_ended_the_interval_before_them_and_reach_no_further_than_the_window() -> None:
    intervals = [Interval(10, 50, "hole"), Interval(60, 90, "slot lost")]
    assert within(intervals, 0, 100).gaps == [
        Interval(0, 10, NOT_YET), Interval(50, 60, "hole"), Interval(90, 100, "slot lost"),
    ]  # fmt: skip
    assert within(intervals, 12, 55) == ([Interval(10, 50, "hole")], [Interval(50, 55, "hole")])
    assert within(intervals, 12, 49) == ([Interval(10, 50, "hole")], [])


def test_what_has_ended_for_good_leaves_no_gap() -> None:
    assert within([Interval(10, 50, "retired")], 20, 100).gaps == []
    lives_again = [Interval(10, 50, "retired"), Interval(70, LAST)]
    assert within(lives_again, 20, 100).gaps == []
