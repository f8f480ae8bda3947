"""What an answer's segment is named by."""

from __future__ import annotations

import pytest
from yarl import URL

from web.cached import asked_for


def _asked(query: str) -> list[tuple[str, str]]:
    return asked_for(URL(f"/?{query}").query)


@pytest.mark.parametrize(
    "query",
    [
        "fields=a&tables=s.u,s.t",
        "tables=s.t,s.u&fields=a,a",
        "tables=s.t&fields=a&tables=s.u",
        "tables=%20s.t%20,,s.u&fields=a",
    ],
)
def test_the_order_of_parameters_and_names_makes_no_difference(query: str) -> None:
    """Who asks for the same gets the same segment; who and when are not of the content."""
    assert _asked(f"{query}&session_id=x&start=1&end=2&timestamp=3") == _asked("tables=s.t&tables=s.u&fields=a")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("tables=a", "fields=a"),
        ("tables=a,b", "tables=a"),
        ("tables=a", ""),
        ("tables=a", "filter_tables=a"),
        ("filter_min_timestamp=1&filter_min_timestamp=2", "filter_min_timestamp=2&filter_min_timestamp=1"),
        ("x=1", "x=2"),
        ("fields=a", "fields=A"),
    ],
)
def test_what_gives_another_answer_has_another_name(one: str, other: str) -> None:
    """Of a parameter that is no list the first one counts, so their order does make a difference."""
    assert _asked(one) != _asked(other)
