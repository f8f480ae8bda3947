"""What may be asked of the past, and within which bounds. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msr_stream import instants
from msr_stream.errors import BadRequest, Unavailable
from msr_stream.instants import DAY
from msr_stream.regions import Region, region_of


@dataclass(frozen=True)
class Filter:
    """What an answer holds of the world.

    Attributes:
        tables: rows and events of these that are older than `since` are left out; other tables are untouched.
        since: that instant.
        only: nothing but these tables; empty: all.
        fields: nothing but these columns of each row; empty: all.
        region: nothing but what its own row places there; `None`: the whole Earth, and what is nowhere.
    """

    tables: Sequence[str] = ()
    since: int | None = None
    only: Sequence[str] = ()
    fields: Sequence[str] = ()
    region: Region | None = None


@dataclass(frozen=True)
class StateQuery:
    """The world at an instant; `None` is the settled instant."""

    at: int | None
    filter: Filter = field(default_factory=Filter)


@dataclass(frozen=True)
class EventsQuery:
    """Everything that changed after `start` and up to `end`."""

    start: int
    end: int
    filter: Filter = field(default_factory=Filter)


@dataclass(frozen=True)
class DiffQuery:
    """What differs between the states at `start` and at `end`; of these tables, if any are named."""

    start: int
    end: int
    tables: Sequence[str] = ()


@dataclass(frozen=True)
class Bounds:
    """Between what a replay may move, as one snapshot of the database says.

    Attributes:
        now: the worker's clock.
        earliest: the earliest replayable instant.
        longest: the longest window, microseconds.
        settled: S; `None` as long as nothing is settled.
        shards: whether anything is recorded at all.
    """

    now: int
    earliest: int
    longest: int
    settled: int | None
    shards: bool

    @property
    def latest_answer(self) -> int | None:
        """The latest instant that can be answered: S, but never the future; with nothing recorded, now."""
        if not self.shards:
            return self.now
        return None if self.settled is None else min(self.settled, self.now)

    def check(self, *moments: int) -> None:
        """Refuse what is outside.

        Raises:
            BadRequest: a moment is too early, or later than now.
        """
        for moment in moments:
            if moment < self.earliest:
                raise _out_of_range("earliest", moment, self.earliest)
            if moment > self.now:
                raise _out_of_range("latest", moment, self.now)

    def check_window(self, start: int, end: int) -> None:
        """Refuse a window that ends before it starts, or is too long.

        Raises:
            BadRequest: it is one of these, or outside the bounds.
        """
        if end < start:
            raise BadRequest("the window ends before it starts", code="INVALID_PLAYBACK_WINDOW")
        if end - start > self.longest:
            raise BadRequest(f"the window is longer than {self.longest // DAY} days", code="INVALID_PLAYBACK_WINDOW")
        self.check(start, end)


def not_settled(bounds: Bounds) -> Unavailable:
    """The answer to a moment that is not settled in time."""
    until = bounds.latest_answer
    details = [{"settled_until": instants.render(until) if until is not None else None}]
    return Unavailable("that moment is not settled yet", details=details, headers={"Retry-After": "1"})


def state_query(params: Mapping[str, str], multi: Mapping[str, Sequence[str]]) -> StateQuery:
    """Read `timestamp` and the filters.

    Args:
        params: the query's parameters.
        multi: all values of those given more than once.

    Raises:
        BadRequest: one of them is not valid; each is named.
    """
    problems: list[dict[str, Any]] = []
    at = _moment(params, "timestamp", problems)
    chosen = _filter(params, multi, problems)
    _refuse(problems)
    return StateQuery(at, chosen)


def events_query(params: Mapping[str, str], multi: Mapping[str, Sequence[str]]) -> EventsQuery:
    """Read `start` and `end`, both required, and the filters.

    Raises:
        BadRequest: one of them is missing or not valid; each is named.
    """
    problems: list[dict[str, Any]] = []
    start = _moment(params, "start", problems, required=True)
    end = _moment(params, "end", problems, required=True)
    chosen = _filter(params, multi, problems)
    _refuse(problems)
    assert start is not None
    assert end is not None
    return EventsQuery(start, end, chosen)


def live_filter(multi: Mapping[str, Sequence[str]]) -> Filter:
    """Read the filters of what is told as it settles.

    Raises:
        BadRequest: one of them is not valid; each is named.
    """
    problems: list[dict[str, Any]] = []
    where = {name: multi[name][0] for name in ("bbox", "near") if name in multi}
    chosen = _filter(where, multi, problems)
    _refuse(problems)
    return chosen


def field_names(multi: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Read `fields`.

    Raises:
        BadRequest: it names none.
    """
    problems: list[dict[str, Any]] = []
    names = _names(multi, "fields", problems)
    _refuse(problems)
    return names


def diff_query(params: Mapping[str, str], multi: Mapping[str, Sequence[str]]) -> DiffQuery:
    """Read `from` and `to`, both required, and `tables`.

    Raises:
        BadRequest: one of them is missing or not valid; each is named.
    """
    problems: list[dict[str, Any]] = []
    start = _moment(params, "from", problems, required=True)
    end = _moment(params, "to", problems, required=True)
    tables = _names(multi, "tables", problems)
    _refuse(problems)
    assert start is not None
    assert end is not None
    return DiffQuery(start, end, tuple(tables))


def _moment(
    params: Mapping[str, str], name: str, problems: list[dict[str, Any]], *, required: bool = False
) -> int | None:
    text = params.get(name, "")
    if not text:
        if required:
            problems.append({"field": name, "message": f"{name} is required"})
        return None
    try:
        # A plus sign that was not escaped in the address arrives as a space.
        return instants.parse(text.replace(" ", "+") if "T" in text.upper() else text)
    except ValueError as error:
        problems.append({"field": name, "message": f"{name}: got {text!r}, {error}"})
        return None


def _filter(params: Mapping[str, str], multi: Mapping[str, Sequence[str]], problems: list[dict[str, Any]]) -> Filter:
    tables = _list(multi, "filter_tables", problems)
    since = _moment(params, "filter_min_timestamp", problems)
    if bool(tables) != bool(params.get("filter_min_timestamp")):
        problems.append({"field": "filter_tables", "message": "filter_tables and filter_min_timestamp go together"})
    only, fields = _names(multi, "tables", problems), _names(multi, "fields", problems)
    return Filter(tables, since, only, fields, region_of(params, problems))


def _names(multi: Mapping[str, Sequence[str]], name: str, problems: list[dict[str, Any]]) -> Sequence[str]:
    """An include list; one without any name would include nothing, which nobody means, or everything."""
    found = _list(multi, name, problems)
    if name in multi and not found:
        problems.append({"field": name, "message": f"{name} names nothing"})
    return found


def _list(multi: Mapping[str, Sequence[str]], name: str, problems: list[dict[str, Any]]) -> Sequence[str]:
    """Several with commas, or repeated."""
    found = [part.strip() for text in multi.get(name, ()) for part in text.split(",") if part.strip()]
    if any("\0" in part for part in found):
        problems.append({"field": name, "message": f"{name} holds a NUL character"})
    return tuple(found)


def _refuse(problems: list[dict[str, Any]]) -> None:
    if problems:
        raise BadRequest("; ".join(problem["message"] for problem in problems), details=problems)


def _out_of_range(which: str, moment: int, bound: int) -> BadRequest:
    relation = "before the earliest replayable instant" if which == "earliest" else "later than now"
    return BadRequest(
        f"{instants.render(moment)} is {relation} {instants.render(bound)}",
        code="TIMESTAMP_OUT_OF_RANGE",
        details=[{which: instants.render(bound)}],
    )
