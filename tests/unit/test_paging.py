"""Pages: out-of-range values fall back to the defaults, and only known fields are sorted by."""

from __future__ import annotations

import pytest

from msr_stream.paging import Page, read_page

SORTABLE = ("created_at", "status")


@pytest.mark.parametrize("number", [None, "", "0", "-1", "x", "1.5", "99999999999", "٣", "1; DROP TABLE session"])
def test_a_number_that_is_none_is_the_first_page(number: str | None) -> None:
    assert read_page(number, None, [], SORTABLE).number == 1


@pytest.mark.parametrize(("size", "taken"), [("1", 1), ("1000", 1000), ("1001", 10), ("0", 10), ("many", 10)])
def test_a_page_has_one_to_a_thousand_rows(size: str, taken: int) -> None:
    assert read_page("3", size, [], SORTABLE) == Page(3, taken, (("created_at", "desc"),))


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ([], '"created_at" desc, "id"'),
        (["status,asc", "created_at,DESC"], '"status" asc, "created_at" desc, "id"'),
        (["status"], '"status" asc, "id"'),
        (["password,asc"], '"created_at" desc, "id"'),
        (["status,asc; DROP TABLE session"], '"created_at" desc, "id"'),
        (['"status",asc'], '"created_at" desc, "id"'),
    ],
)
def test_only_known_fields_and_directions_reach_the_query(sort: list[str], order: str) -> None:
    assert read_page(None, None, sort, SORTABLE).order_by("id") == order


def test_the_rows_before_a_page_are_left_out() -> None:
    assert Page(number=4, size=25).offset == 75
