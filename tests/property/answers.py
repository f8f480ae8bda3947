"""Answers as a client reads them: every value as the JSON text that came, and events folded in the order served."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from msr_stream.replay import EventsQuery, Filter, StateQuery
from msr_stream.store.replay import Snapshot
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
        if entity[0] in chosen.only
    }


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
