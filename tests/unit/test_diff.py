"""A pair becomes a difference; the query says between which instants."""

from __future__ import annotations

import pytest

from msr_stream.errors import BadRequest
from msr_stream.replay import DiffQuery, diff_query
from msr_stream.store.diff import _Differences, difference

ABOUT = '"table_name":"s.t","entity_id":"1","event_timestamp":"2026-01-01T00:00:00.000000Z"'
DAY = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}


@pytest.mark.parametrize(
    ("pair", "found"),
    [
        ('"after":{"a":1.10}', ',"change":"created","entity_state":{"a":1.10}'),
        ('"before":{"a":1e400}', ',"change":"deleted","entity_state":{"a":1e400}'),
        ('"before":{"a":1.1,"b":2},"after":{"b":2,"a":1.10}',
         ',"change":"changed","changed":{"a":{"before":1.1,"after":1.10}}'),
        ('"before":{"a":1},"after":{"b":null}',
         ',"change":"changed","changed":{"a":{"before":1},"b":{"after":null}}'),
        ('"before":{"a":1},"after":{"a":null},"unavailable_fields":["a","a"]',
         ',"change":"changed","changed":{},"unavailable_fields":["a"]'),
    ],
)  # fmt: skip
def test_a_difference_carries_the_text_that_arrived(pair: str, found: str) -> None:
    assert difference(f"{{{ABOUT},{pair}}}".encode()) == f",{{{ABOUT}{found}}}\n".encode()


@pytest.mark.parametrize(
    ("pair", "found"),
    [
        ('"after":{"b":2,"a":1.10,"c":{"d": 1}}', ',"change":"created","entity_state":{"a":1.10,"c":{"d": 1}}'),
        ('"before":{"a":1e400,"b":2}', ',"change":"deleted","entity_state":{"a":1e400}'),
        ('"before":{"a":1.10,"b":2},"after":{"b":3,"a":1.10}',
         ',"change":"changed","entity_state":{"a":1.10},"changed":{"b":{"before":2,"after":3}}'),
        ('"before":{"b":2},"after":{"b":3}',
         ',"change":"changed","entity_state":{},"changed":{"b":{"before":2,"after":3}}'),
        ('"before":{"a":1},"after":{"a":null},"unavailable_fields":["a"]',
         ',"change":"changed","entity_state":{"a":null},"changed":{},"unavailable_fields":["a"]'),
    ],
)  # fmt: skip
def test_of_some_columns_each_state_has_these_alone_and_what_has_changed_is_told_whole(pair: str, found: str) -> None:
    assert difference(f"{{{ABOUT},{pair}}}".encode(), ("a", "c")) == f",{{{ABOUT}{found}}}\n".encode()


def test_what_differs_does_not_depend_on_the_columns_that_are_asked_for() -> None:
    same = f'{{{ABOUT},"before":{{"a":1,"b":2}},"after":{{"b":2,"a":1}}}}'.encode()
    assert difference(same, ("a",)) == b""


def test_the_same_fields_in_another_order_are_no_difference() -> None:
    assert difference(f'{{{ABOUT},"before":{{"a":1,"b":2}},"after":{{"b":2, "a":1}}}}'.encode()) == b""


@pytest.mark.parametrize("size", [1, 7, 50, 10_000])
async def test_lines_may_be_cut_anywhere(size: int) -> None:
    text = b"".join(f'{{{ABOUT},"after":{{"n":{n}}}}}\n'.encode() for n in range(20))
    pieces: list[bytes] = []

    async def sink(piece: bytes) -> None:
        pieces.append(piece)

    whole = _Differences(sink)
    for start in range(0, len(text), size):
        await whole(text[start : start + size])
    assert b"".join(pieces) == b"".join(difference(line) for line in text.splitlines())
    assert all(piece.startswith(b",{") and piece.endswith(b"}\n") for piece in pieces)


def test_tables_and_fields_are_lists_with_commas_or_repeated() -> None:
    query = diff_query(DAY, {"tables": ["s.a, s.b", "s.c"], "fields": ["lat", "lon,name"]})
    begin, end = 1_767_225_600_000_000, 1_767_312_000_000_000
    assert query == DiffQuery(begin, end, ("s.a", "s.b", "s.c"), ("lat", "lon", "name"))


@pytest.mark.parametrize(
    ("params", "multi", "named"),
    [
        ({}, {}, ["from", "to"]),
        (DAY | {"from": "yesterday"}, {}, ["from"]),
        (DAY, {"tables": ["a\0"]}, ["tables"]),
        (DAY, {"fields": [","]}, ["fields"]),
    ],
)
def test_what_is_not_valid_is_named(params: dict[str, str], multi: dict[str, list[str]], named: list[str]) -> None:
    with pytest.raises(BadRequest) as refused:
        diff_query(params, multi)
    assert [detail["field"] for detail in refused.value.details or ()] == named
