"""What may be asked of the past. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msr_stream import instants
from msr_stream.errors import BadRequest
from msr_stream.regions import Region, region_of

#: So many entities may be named in one question.
MOST_ENTITIES = 100


@dataclass(frozen=True)
class Filter:
    """What an answer holds of the world.

    Attributes:
        tables: rows and events of these that are older than `since` are left out; other tables are untouched.
        since: that instant.
        only: nothing but these tables; empty: all.
        entities: nothing but these, each by its table and id; empty: all.
        fields: nothing but these columns of each row; empty: all.
        region: nothing but what its own row places there; `None`: the whole Earth, and what is nowhere.
    """

    tables: Sequence[str] = ()
    since: int | None = None
    only: Sequence[str] = ()
    fields: Sequence[str] = ()
    region: Region | None = None
    entities: Sequence[tuple[str, str]] = ()

    @property
    def named_tables(self) -> Sequence[str]:
        """The tables of which there may be a row; empty: of any."""
        return self.only or tuple(dict.fromkeys(table for table, _ in self.entities))


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
    """What differs between the states at `start` and at `end`.

    Attributes:
        tables: nothing but these; empty: all.
        fields: nothing but these columns of each state, which is then told of changed entities too; empty: all.
    """

    start: int
    end: int
    tables: Sequence[str] = ()
    fields: Sequence[str] = ()


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
    """Read `from` and `to`, both required, `tables` and `fields`.

    Raises:
        BadRequest: one of them is missing or not valid; each is named.
    """
    problems: list[dict[str, Any]] = []
    start = _moment(params, "from", problems, required=True)
    end = _moment(params, "to", problems, required=True)
    tables, fields = _names(multi, "tables", problems), _names(multi, "fields", problems)
    _refuse(problems)
    assert start is not None
    assert end is not None
    return DiffQuery(start, end, tuple(tables), tuple(fields))


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
    return Filter(tables, since, only, fields, region_of(params, problems), _entities(multi, problems))


def _entities(multi: Mapping[str, Sequence[str]], problems: list[dict[str, Any]]) -> Sequence[tuple[str, str]]:
    """Entities by their keys, `schema.table:id`; an id may hold anything, also commas and colons."""
    keys = multi.get("entity", ())
    if len(keys) > MOST_ENTITIES:
        problems.append(
            {"field": "entity", "message": f"entity: got {len(keys)}, at most {MOST_ENTITIES} may be named"}
        )
    found = []
    for key in keys:
        table, colon, entity = key.partition(":")
        if not (table and colon and entity) or "\0" in key:
            problems.append({"field": "entity", "message": f"entity: got {key!r}, wanted schema.table:id"})
        found.append((table, entity))
    return tuple(found)


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
