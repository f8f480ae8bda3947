"""Answers as a client reads them: every value as the JSON text that came, and events folded in the order served."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from msr_stream.replay import DiffQuery, EventsQuery, Filter, StateQuery
from msr_stream.store import diff as diffing
from msr_stream.store.snapshot import Snapshot
from tests.property.rendering import Row

_ALL = Filter()
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class Served(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """An event as it is served."""

    entity_id: str
    entity_state: dict[str, msgspec.Raw] | None
    op: str
    event_timestamp: str
    table_name: str
    source_timestamp: str | None = None
    unavailable_fields: list[str] = msgspec.field(default_factory=list)

    @property
    def row(self) -> Row | None:
        """Its columns, each as JSON text."""
        return (
            None
            if self.entity_state is None
            else {name: bytes(raw).decode() for name, raw in self.entity_state.items()}
        )

    @property
    def time(self) -> int:
        """Its instant."""
        return (datetime.fromisoformat(self.event_timestamp) - _EPOCH) // timedelta(microseconds=1)


class Difference(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What has become of an entity, as it is served."""

    table_name: str
    entity_id: str
    event_timestamp: str
    change: str
    entity_state: dict[str, msgspec.Raw] | None = None
    changed: dict[str, dict[str, msgspec.Raw]] = msgspec.field(default_factory=dict)
    unavailable_fields: list[str] = msgspec.field(default_factory=list)


#: Entity to the last event's operation, time and row.
State = dict[tuple[str, str], tuple[str, int, Row]]
_decoder = msgspec.json.Decoder(list[Served])


@dataclass
class Kept:
    """An answer taken while recording went on.

    Attributes:
        settled: S when it was taken.
        events: windows (start) to events up to `at`.
    """

    tenant: str
    at: int
    settled: int
    state: State
    events: dict[int, list[Served]] = field(default_factory=dict)


async def state(snapshot: Snapshot, at: int, chosen: Filter = _ALL) -> State:
    """The state at an instant."""
    text = bytearray()
    await snapshot.state(StateQuery(at, chosen), at, lambda piece: _add(text, piece))
    found: State = {}
    for event in _read(text):
        assert (event.table_name, event.entity_id) not in found, "one entity twice in a state"
        assert event.op != "d"
        _apply(found, event)
    return found


async def events(snapshot: Snapshot, start: int, end: int, chosen: Filter = _ALL) -> list[Served]:
    """The events of a window."""
    text = bytearray()
    await snapshot.events(EventsQuery(start, end, chosen), lambda piece: _add(text, piece))
    return _read(text)


def part_of(state: State, chosen: Filter) -> State:
    """What a filter leaves of a state."""
    return {
        entity: (op, time, {name: value for name, value in row.items() if name in chosen.fields})
        for entity, (op, time, row) in state.items()
        if entity[0] in chosen.only and (not chosen.entities or entity in chosen.entities)
    }


async def diff(snapshot: Snapshot, start: int, end: int, chosen: Filter = _ALL) -> dict[tuple[str, str], Difference]:
    """What differs between two instants, by entity; of the tables and columns that are chosen."""
    text = bytearray()
    query = DiffQuery(start, end, chosen.only, chosen.fields)
    await diffing.diff(snapshot, query, lambda piece: _add(text, piece))
    read = msgspec.json.decode(b"[" + text[1:] + b"]", type=list[Difference])
    found = {(one.table_name, one.entity_id): one for one in read}
    assert len(found) == len(read), "one entity twice in a diff"
    return found


def check_diff(
    found: dict[tuple[str, str], Difference], before: State, after: State, fields: Sequence[str] = ()
) -> None:
    """It is what comparing the two states finds; fields that are not available are only named.

    Args:
        found: what was answered.
        before: the state at the one instant, whole.
        after: at the other.
        fields: those that were asked for of each state; empty: all.
    """
    assert {key for key, one in found.items() if one.change == "created"} == set(after) - set(before)
    assert {key for key, one in found.items() if one.change == "deleted"} == set(before) - set(after)
    for key, one in found.items():
        if one.change == "changed" and not fields:
            assert one.entity_state is None
            continue
        assert one.entity_state is not None
        row = (before if one.change == "deleted" else after)[key][2]
        wanted_row = {name: value for name, value in row.items() if not fields or name in fields}
        assert {name: bytes(raw).decode() for name, raw in one.entity_state.items()} == wanted_row
    for key in set(before) & set(after):
        was, became = before[key][2], after[key][2]
        if key not in found:
            assert was == became, key
            continue
        wanted = {
            name: {when: row[name] for when, row in (("before", was), ("after", became)) if name in row}
            for name in {**was, **became}
            if was.get(name) != became.get(name) and name not in found[key].unavailable_fields
        }
        changed = {
            name: {when: bytes(raw).decode() for when, raw in sides.items()}
            for name, sides in found[key].changed.items()
        }
        assert changed == wanted
        assert wanted or found[key].unavailable_fields


def folded(state: State, events: Iterable[Served]) -> State:
    """The state after some events more."""
    after = dict(state)
    for event in events:
        _apply(after, event)
    return after


def _apply(state: State, event: Served) -> None:
    entity = event.table_name, event.entity_id
    if event.op == "d":
        state.pop(entity, None)
    else:
        assert event.row is not None
        state[entity] = event.op, event.time, event.row


async def _add(text: bytearray, piece: bytes) -> None:
    text += piece


def _read(text: bytearray) -> list[Served]:
    return _decoder.decode(b"[" + text[1:] + b"]")
