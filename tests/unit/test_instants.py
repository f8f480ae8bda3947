"""Instants: what RFC 3339 says, in whole microseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msr_stream import instants

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(st.integers(instants.FIRST, instants.LAST))
def test_what_is_rendered_is_read_back(instant: int) -> None:
    assert instants.parse(instants.render(instant)) == instant


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)), st.integers(-23 * 60 - 59, 23 * 60 + 59))
def test_any_offset_names_the_same_instant_as_datetime_does(naive: datetime, minutes: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert instants.parse(moment.isoformat()) == (moment - EPOCH) // timedelta(microseconds=1)


@given(st.lists(st.integers(instants.FIRST, instants.LAST), max_size=5))
def test_rendered_instants_sort_as_texts(several: list[int]) -> None:
    assert sorted(several) == [instants.parse(text) for text in sorted(map(instants.render, several))]


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("2026-11-23T14:32:07Z", "2026-11-23T14:32:07.000000Z"),
        ("2026-11-23t14:32:07z", "2026-11-23T14:32:07.000000Z"),
        ("2026-11-23 14:32:07Z", "2026-11-23T14:32:07.000000Z"),
        ("2026-11-23T14:32:07.5Z", "2026-11-23T14:32:07.500000Z"),
        ("2026-11-23T14:32:07.123456789Z", "2026-11-23T14:32:07.123456Z"),
        ("2026-11-23T22:32:07+08:00", "2026-11-23T14:32:07.000000Z"),
        ("2026-11-23T22:32:07+0800", "2026-11-23T14:32:07.000000Z"),
        ("2026-11-23T00:02:07-14:30", "2026-11-23T14:32:07.000000Z"),
        ("2026-11-23T14:32:07-00:00", "2026-11-23T14:32:07.000000Z"),
        (" 2026-11-23T14:32:07Z ", "2026-11-23T14:32:07.000000Z"),
        ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z"),
    ],
)
def test_times_are_read_in_any_offset_and_written_in_utc(text: str, rendered: str) -> None:
    assert instants.render(instants.parse(text)) == rendered


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "2026-11-23", "2026-11-23T14:32:07", "2026-11-23T14:32Z", "2026-11-23T14:32:07.Z", "1795392000",
        "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2025-02-29T00:00:00Z", "2026-11-23T24:00:00Z",
        "2026-11-23T14:60:00Z", "2026-11-23T23:59:60Z", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z",
        "2026-11-23T14:32:07+24:00", "2026-11-23T14:32:07+08:60", "2026-11-23T14:32:07+08",
        "2026-11-23T14:32:07 +08:00",
        "-2026-11-23T14:32:07Z", "2026-11-23T14:32:07Z\n2026-11-23T14:32:07Z", "2026-11-23T14:32:07.1234567890Z",
    ],
)  # fmt: skip
def test_what_is_no_time_with_an_offset_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        instants.parse(text)


def test_the_refusal_shows_what_is_wanted() -> None:
    with pytest.raises(ValueError, match=r"RFC 3339 time with offset, such as 2026-"):
        instants.parse("yesterday")


@pytest.mark.parametrize("beyond", [instants.FIRST - 1, instants.LAST + 1, -(2**62), 2**62])
def test_what_no_calendar_has_is_rendered_as_its_end(beyond: int) -> None:
    assert instants.render(beyond) in ("0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z")


def test_the_constants_are_what_they_say() -> None:
    assert instants.render(instants.POSTGRES_EPOCH) == "2000-01-01T00:00:00.000000Z"
    assert instants.DAY == 86_400 * instants.SECOND
    assert abs(instants.now() - (datetime.now(UTC) - EPOCH) // timedelta(microseconds=1)) < instants.MINUTE


def test_only_ascii_digits_are_digits() -> None:
    with pytest.raises(ValueError, match=r".+"):
        instants.parse("٢٠٢٦-11-23T14:32:07Z")
