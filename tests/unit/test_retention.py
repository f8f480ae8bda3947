"""What is too old, and when it is removed."""

from __future__ import annotations

import pytest

from msr_stream.instants import DAY, FIRST, SECOND, parse, render
from msr_stream.retention import Cutoffs, Limits, cutoffs, next_run

NOW = parse("2026-11-25T14:32:07.5Z")
LONG_AGO = parse("1900-01-01T00:00:00Z")


def cut(range_days: int = 7, earliest: str = "1900-01-01T00:00:00Z", **more: object) -> Cutoffs:
    found = cutoffs(Limits(range_days, parse(earliest), **{"settled": NOW, **more}), NOW)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_the_cutoff_is_the_range_ago_at_the_beginning_of_that_day() -> None:
    """Never later than what a replay may reach: the rest of that day stays."""
    assert render(cut().history) == "2026-11-18T00:00:00.000000Z"
    assert cut().history <= NOW - 7 * DAY < cut().history + DAY


@pytest.mark.parametrize(
    ("now", "wanted"),
    [
        ("2026-11-25T00:00:00Z", "2026-11-18"),
        ("2026-11-24T23:59:59.999999Z", "2026-11-17"),
        ("2028-03-05T12:00:00Z", "2028-02-27"),  # a leap year: seven days before the fifth of March
        ("2027-03-05T12:00:00Z", "2027-02-26"),
        ("2028-03-07T00:00:00Z", "2028-02-29"),
        ("2027-01-03T01:00:00Z", "2026-12-27"),
    ],
)
def test_days_are_those_of_the_calendar_in_utc(now: str, wanted: str) -> None:
    found = cutoffs(Limits(7, LONG_AGO, parse(now)), parse(now))
    assert found is not None
    assert render(found.history)[:10] == wanted


def test_an_earliest_valid_instant_that_is_later_counts() -> None:
    assert render(cut(earliest="2026-11-20T23:59:59Z").history)[:10] == "2026-11-20"
    assert render(cut(earliest="2026-11-21T01:00:00+08:00").history)[:10] == "2026-11-20"
    assert cut(earliest="2026-11-01T00:00:00Z") == cut()


def test_nothing_goes_that_is_not_settled_or_still_to_come() -> None:
    """An earliest valid instant in the future, or a source that has been silent, takes no more than what is final."""
    assert render(cut(earliest="2030-01-01T00:00:00Z").history)[:10] == "2026-11-25"
    assert render(cut(settled=parse("2026-11-10T08:00:00Z")).history)[:10] == "2026-11-10"
    assert cutoffs(Limits(7, LONG_AGO, None), NOW) is None


def test_the_cutoff_never_moves_back() -> None:
    assert cut(range_days=30, retained_from=NOW // DAY * DAY - 3 * DAY).history == NOW // DAY * DAY - 3 * DAY
    assert cut(range_days=36_500).history > FIRST


def test_a_table_has_its_own_cutoff_only_if_that_is_later() -> None:
    found = cut(tables={"s.short": 2, "s.long": 30, "s.same": 7})
    assert {name: render(at)[:10] for name, at in found.tables.items()} == {"s.short": "2026-11-23"}
    back = cut(tables={"s.short": 5}, tables_from={"s.short": parse("2026-11-23T00:00:00Z")})
    assert render(back.tables["s.short"])[:10] == "2026-11-23"  # its days were raised: what is gone is gone
    assert (
        render(cut(tables={"s.short": 1}, settled=parse("2026-11-20T08:00:00Z")).tables["s.short"])[:10] == "2026-11-20"
    )


@pytest.mark.parametrize(
    ("expression", "after", "wanted"),
    [
        ("0 3 * * *", "2026-11-25T02:59:59.9Z", "2026-11-25T03:00:00"),
        ("0 3 * * *", "2026-11-25T03:00:00Z", "2026-11-26T03:00:00"),  # strictly after: not twice
        ("0 3 * * *", "2026-12-31T12:00:00Z", "2027-01-01T03:00:00"),
        ("30 1 29 2 *", "2026-11-25T00:00:00Z", "2028-02-29T01:30:00"),
        ("*/15 * * * 1-5", "2026-11-27T23:50:00Z", "2026-11-30T00:00:00"),
        ("0 3 * * *", "2026-03-29T00:30:00+01:00", "2026-03-29T03:00:00"),  # UTC has no summer time
    ],
)
def test_the_next_run_is_the_cron_expressions_in_utc(expression: str, after: str, wanted: str) -> None:
    found = next_run(expression, parse(after))
    assert found is not None
    assert render(found)[:19] == wanted
    assert found % SECOND == 0
