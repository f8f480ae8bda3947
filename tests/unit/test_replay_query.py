"""What may be asked of the past: parameters read, bounds kept, refusals that say what would do."""

from __future__ import annotations

from typing import Any

import pytest

from msr_stream import instants
from msr_stream.bounds import Bounds, not_settled
from msr_stream.errors import BadRequest
from msr_stream.instants import DAY, HOUR
from msr_stream.regions import Box, Circle
from msr_stream.replay import EventsQuery, Filter, StateQuery, events_query, live_filter, state_query
from tests.unit.building import NOON

T = "2026-11-23T00:00:00Z"
AT = instants.parse(T)


def _state(**params: str) -> StateQuery:
    return state_query(params, {name: [value] for name, value in params.items()})


def _events(**params: str) -> EventsQuery:
    return events_query(params, {name: [value] for name, value in params.items()})


def _refused(call: Any, **params: str) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        call(**params)
    assert caught.value.status == 400
    return caught.value


def _fields(error: BadRequest) -> list[str]:
    return [detail["field"] for detail in error.details or []]


def test_no_timestamp_is_the_settled_instant() -> None:
    assert _state() == StateQuery(None, Filter())
    assert _state(timestamp="") == StateQuery(None, Filter())


@pytest.mark.parametrize(
    "text",
    [T, "2026-11-23T08:00:00+08:00", "2026-11-23T08:00:00 08:00", "2026-11-22T16:00:00-08:00", "2026-11-23 00:00:00Z"],
)
def test_a_timestamp_may_have_any_offset_also_with_a_plus_that_was_not_escaped(text: str) -> None:
    assert _state(timestamp=text).at == AT


@pytest.mark.parametrize("text", ["now", "2026-11-23", "2026-11-23T00:00:00", "1795392000", "2026-02-30T00:00:00Z"])
def test_a_time_that_is_none_is_refused_by_name_with_what_it_got(text: str) -> None:
    error = _refused(_state, timestamp=text)
    assert error.code == "VALIDATION_FAILED"
    assert _fields(error) == ["timestamp"]
    assert repr(text) in str(error)


def test_a_window_has_a_start_and_an_end() -> None:
    assert _events(start=T, end="2026-11-23T01:00:00Z") == EventsQuery(AT, AT + HOUR, Filter())


def test_both_ends_of_a_window_are_required_and_named_together() -> None:
    error = _refused(_events)
    assert _fields(error) == ["start", "end"]
    assert str(error) == "start is required; end is required"
    assert _fields(_refused(_events, start=T)) == ["end"]
    assert _fields(_refused(_events, start="x", end="")) == ["start", "end"]


def test_a_filter_names_tables_and_an_instant() -> None:
    chosen = _state(filter_tables="s.t, s.u ,,", filter_min_timestamp=T).filter
    assert chosen == Filter(("s.t", "s.u"), AT)


def test_tables_may_also_be_given_one_by_one() -> None:
    multi = {"filter_tables": ["s.t", "s.u,s.v"], "filter_min_timestamp": [T]}
    query = state_query({"filter_tables": "s.t", "filter_min_timestamp": T}, multi)
    assert query.filter.tables == ("s.t", "s.u", "s.v")


@pytest.mark.parametrize(
    "params",
    [{"filter_tables": "s.t"}, {"filter_min_timestamp": T}, {"filter_tables": "s.t", "filter_min_timestamp": ""}],
)
@pytest.mark.parametrize("call", [_state, lambda **more: _events(start=T, end=T, **more)])
def test_one_half_of_a_filter_is_refused(call: Any, params: dict[str, str]) -> None:
    error = _refused(call, **params)
    assert error.code == "VALIDATION_FAILED"
    assert "go together" in str(error)


def test_a_filter_with_a_wrong_time_is_refused_for_that_alone() -> None:
    assert _fields(_refused(_state, filter_tables="s.t", filter_min_timestamp="x")) == ["filter_min_timestamp"]


def test_a_table_name_with_a_nul_character_is_refused() -> None:
    assert _fields(_refused(_state, filter_tables="a\0b", filter_min_timestamp=T)) == ["filter_tables"]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    error = _refused(_events, start="x", filter_tables="s.t", filter_min_timestamp="y")
    assert _fields(error) == ["start", "end", "filter_min_timestamp"]
    assert all(name in str(error) for name in ("start", "end", "filter_min_timestamp"))


@pytest.mark.parametrize("name", ["tables", "fields"])
@pytest.mark.parametrize("call", [_state, lambda **more: _events(start=T, end=T, **more)])
def test_an_include_list_is_given_with_commas_or_one_by_one(call: Any, name: str) -> None:
    found = call(**{name: " s.t,s.u, "}).filter
    assert (found.only if name == "tables" else found.fields) == ("s.t", "s.u")
    again = live_filter({name: ["s.t", "s.u"]})
    assert (again.only if name == "tables" else again.fields) == ("s.t", "s.u")


@pytest.mark.parametrize("name", ["tables", "fields"])
@pytest.mark.parametrize("value", ["", " , ", "a\0b"])
def test_an_include_list_of_nothing_is_refused_by_name(name: str, value: str) -> None:
    """Neither everything nor nothing is what was meant."""
    assert _fields(_refused(_state, **{name: value})) == [name]
    with pytest.raises(BadRequest, match=name):
        live_filter({name: [value]})


def test_entities_are_named_by_table_and_id_which_may_hold_anything() -> None:
    found = live_filter({"entity": ["s.t:7", "s.u:a,b:c"]})
    assert found.entities == (("s.t", "7"), ("s.u", "a,b:c"))
    assert found.named_tables == ("s.t", "s.u")
    assert live_filter({"entity": ["s.t:7", "s.u:1"], "tables": ["s.t"]}).named_tables == ("s.t",)
    assert live_filter({}).named_tables == ()


@pytest.mark.parametrize("key", ["", "s.t", ":7", "s.t:", "s.t:a\0b"])
def test_an_entity_without_table_or_id_is_refused_with_what_it_got(key: str) -> None:
    with pytest.raises(BadRequest, match=r"entity: got .*, wanted schema\.table:id"):
        live_filter({"entity": ["s.t:7", key]})


def test_too_many_entities_are_refused() -> None:
    assert len(live_filter({"entity": [f"s.t:{n}" for n in range(100)]}).entities) == 100
    with pytest.raises(BadRequest, match="entity: got 101, at most 100"):
        live_filter({"entity": [f"s.t:{n}" for n in range(101)]})


# Bounds


def _bounds(settled: int | None = NOON - 1, **given: Any) -> Bounds:
    usual = {"now": NOON, "earliest": NOON - 7 * DAY, "longest": 7 * DAY, "shards": True}
    return Bounds(**{**usual, **given}, settled=settled)


@pytest.mark.parametrize("moment", [NOON - 7 * DAY, NOON - DAY, NOON])
def test_both_bounds_are_inside(moment: int) -> None:
    _bounds().check(moment)


def test_before_the_earliest_is_out_of_range_and_told_the_earliest() -> None:
    with pytest.raises(BadRequest) as caught:
        _bounds().check(NOON - 7 * DAY - 1)
    assert caught.value.code == "TIMESTAMP_OUT_OF_RANGE"
    assert caught.value.details == [{"earliest": instants.render(NOON - 7 * DAY)}]
    assert instants.render(NOON - 7 * DAY - 1) in str(caught.value)


def test_later_than_now_is_out_of_range_and_told_the_latest() -> None:
    with pytest.raises(BadRequest) as caught:
        _bounds().check(NOON + 1)
    assert caught.value.code == "TIMESTAMP_OUT_OF_RANGE"
    assert caught.value.details == [{"latest": instants.render(NOON)}]


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [
        (NOON, NOON - 1, "INVALID_PLAYBACK_WINDOW"),
        (NOON - 7 * DAY - 1, NOON, "INVALID_PLAYBACK_WINDOW"),
        (NOON - 8 * DAY, NOON - 3 * DAY, "TIMESTAMP_OUT_OF_RANGE"),
        (NOON - 1, NOON + 1, "TIMESTAMP_OUT_OF_RANGE"),
    ],
)
def test_a_window_that_cannot_be_is_refused_with_its_own_code(start: int, end: int, code: str) -> None:
    with pytest.raises(BadRequest) as caught:
        _bounds().check_window(start, end)
    assert caught.value.code == code


@pytest.mark.parametrize(("start", "end"), [(NOON, NOON), (NOON - 7 * DAY, NOON)])
def test_an_empty_window_and_the_longest_one_are_windows(start: int, end: int) -> None:
    _bounds().check_window(start, end)


def test_a_window_that_is_too_long_is_told_how_long_it_may_be() -> None:
    with pytest.raises(BadRequest, match="longer than 7 days"):
        _bounds().check_window(NOON - 8 * DAY, NOON)


@pytest.mark.parametrize(
    ("bounds", "latest"),
    [
        (_bounds(NOON - 5), NOON - 5),
        (_bounds(NOON + 5), NOON),
        (_bounds(None), None),
        (_bounds(None, shards=False), NOON),
    ],
)
def test_no_answer_goes_beyond_what_is_settled_nor_into_the_future(bounds: Bounds, latest: int | None) -> None:
    assert bounds.latest_answer == latest


def test_what_is_not_settled_yet_may_be_asked_again() -> None:
    error = not_settled(_bounds(NOON - 5))
    assert (error.status, error.code) == (503, "SERVICE_UNAVAILABLE")
    assert error.details == [{"settled_until": instants.render(NOON - 5)}]
    assert error.headers == {"Retry-After": "1"}
    assert not_settled(_bounds(None)).details == [{"settled_until": None}]


def test_a_region_is_part_of_every_filter() -> None:
    """Also of what is told as it settles; what is none is refused with its name."""
    box = Box(103, 1, 105, 2)
    window = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z", "bbox": "103,1,105,2"}
    assert events_query(window, {}).filter.region == box
    assert state_query({"bbox": "103,1,105,2"}, {}).filter.region == box
    assert live_filter({"near": ["0,0,5"]}).region == Circle(0, 0, 5)
    with pytest.raises(BadRequest, match="bbox: got '1,2', wants west,south,east,north as numbers"):
        state_query({"bbox": "1,2"}, {})
