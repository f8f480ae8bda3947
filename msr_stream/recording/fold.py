"""Changes to events, in order: positions and effective times given, tenants followed, states completed. Pure.

`fold` needs to know of each entity whether it lives and whose it is; `recall_needs` says for which the
last event must be looked up; `complete_states` fills in what only the entity's last state can say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from msr_stream.instants import MINUTE
from msr_stream.recording.cache import NEVER, Entity, EntityCache, Known
from msr_stream.recording.progress import Progress
from msr_stream.records.change import Change
from msr_stream.records.state import complete

#: Table, entity under its old key, and the offset of the record that carries it to the new one.
OldKey = tuple[str, str, int]

#: A state and the columns whose value is unknown in it.
OldState = tuple[bytes | None, list[str]]


class Recalled(NamedTuple):
    """An entity's last recorded event; `state` only where it was asked for."""

    op: str
    tenant: str | None
    state: bytes | None
    unavailable: list[str]
    source_time: int
    lsn: int | None = None


class Event(msgspec.Struct, gc=False):
    """A change as it will be stored.

    Attributes:
        change: the change it comes from.
        op: `c`, `r`, `u` or `d` (a change of tenant is a `d` and a `c`).
        position: its number in the shard's log.
        time: its effective time.
        tenant: whose it is.
        state: the row as JSON text.
        unavailable: columns whose value nobody sent.
        unfinished: its state is completed from the entity's last one.
        previous: the entity's event before it in this run.
    """

    change: Change
    op: str
    position: int
    time: int
    tenant: str | None
    state: bytes | None
    unavailable: list[str] | None = None
    unfinished: bool = False
    previous: Event | None = None


class Folded(NamedTuple):
    """The events of a run, what is known of its entities after it, and how many live more than before."""

    events: list[Event]
    known: dict[Entity, Known]
    live_delta: int
    copies: int


def entity_of(change: Change) -> Entity:
    """Its entity."""
    return change.table_name, change.entity_id


class Survey(NamedTuple):
    """What a run's changes need to be folded.

    Attributes:
        known: entities that the cache knew.
        needs: entities whose last event must be looked up, and whether with its state.
    """

    known: dict[Entity, Known]
    needs: dict[Entity, bool]


def survey(changes: Iterable[Change], cache: EntityCache) -> Survey:
    """Look through a run before anything is looked up for it."""
    known: dict[Entity, Known] = {}
    needs: dict[Entity, bool] = {}
    met: set[Entity] = set()
    for change in changes:
        entity = (change.table_name, change.entity_id)
        if entity in met:
            continue
        met.add(entity)
        found = cache.get(entity)
        if found is not None:
            known[entity] = found
        if found is NEVER:
            continue
        if change.incomplete or change.op == "d" or _may_be_a_neighbours_copy(change):
            needs[entity] = True
        elif found is None:
            needs[entity] = False
    return Survey(known, needs)


def first_waiting(changes: Sequence[Change], old_states: Mapping[OldKey, OldState]) -> int | None:
    """Index of the first change whose unchanged values only the entity under its old key has, elsewhere."""
    if not any(change.old_entity is not None and change.incomplete for change in changes):
        return None
    deleted: set[tuple[Entity, int | None]] = set()
    for index, change in enumerate(changes):
        if change.op == "d":
            deleted.add(((change.table_name, change.entity_id), change.lsn))
        elif change.incomplete and change.old_entity is not None:
            old = (change.table_name, change.old_entity)
            if (old, change.lsn) not in deleted and (*old, change.offset) not in old_states:
                return index
    return None


def fold(
    changes: Sequence[Change],
    progress: Progress,
    surveyed: Survey,
    recalled: Mapping[Entity, Recalled],
    now: int,
) -> Folded:
    """Give each change its place in the shard's log.

    Args:
        changes: what is new in the run, in order.
        progress: the shard's, before the run.
        surveyed: what is known of their entities, and what was looked up.
        recalled: the last events that were found: an entity that was looked up and is not here is new.
        now: the worker's clock.
    """
    events: list[Event] = []
    latest: dict[Entity, Event] = {}
    known: dict[Entity, Known] = {}
    position, live_delta, copies = progress.last_position, 0, 0
    floor = _floor(progress)
    future = now + MINUTE

    for change in changes:
        entity = (change.table_name, change.entity_id)
        before = known.get(entity) or surveyed.known.get(entity) or _from_recalled(recalled.get(entity))
        previous = latest.get(entity)
        if change.tombstone and not (before.live and _is_fresh(change, previous, recalled.get(entity))):
            continue
        if _may_be_a_neighbours_copy(change) and _is_copy(change, previous, recalled.get(entity)):
            copies += 1
            continue
        source_time = change.source_time if change.source_time <= future else now
        floor = max(floor, source_time)
        tenant = change.tenant
        if change.op == "d":
            tenant = before.tenant if before.recorded else tenant
        moved = before.live and before.tenant != tenant
        if moved:
            position += 1
            gone = Event(change, "d", position, floor, before.tenant, None, None, True, previous)
            events.append(gone)
            previous = gone
        position += 1
        event = Event(
            change,
            "c" if moved else change.op,
            position,
            floor,
            tenant,
            change.state,
            None,
            change.op == "d" or change.incomplete,
            previous,
        )
        events.append(event)
        latest[entity] = event
        live = change.op != "d"
        live_delta += live - before.live
        known[entity] = _KNOWN.setdefault((live, tenant), Known(live, tenant))
    return Folded(events, known, live_delta, copies)


def missing_states(events: Iterable[Event], recalled: Mapping[Entity, Recalled], surveyed: Survey) -> set[Entity]:
    """Entities whose last state a change of tenant needs, and which was not looked up with it."""
    return {
        entity
        for event in events
        if event.unfinished
        and event.previous is None
        and not surveyed.needs.get(entity := entity_of(event.change))
        and surveyed.known.get(entity) is not NEVER
    }


def complete_states(
    events: Iterable[Event],
    recalled: Mapping[Entity, Recalled],
    old_states: Mapping[OldKey, OldState],
) -> None:
    """Finish the states that only the entity's last one can complete, in order.

    Args:
        events: the run's.
        recalled: last recorded events, with states.
        old_states: last states of entities under their old keys, recorded in other shards.
    """
    latest: dict[Entity, Event] = {}
    for event in events:
        change = event.change
        if event.unfinished:
            state, unavailable = _last_state(event, latest, recalled, old_states)
            if event.op != "d":
                event.state, missing = complete(change.state or b"{}", state, unavailable)
                event.unavailable = missing or None
            elif state is not None:
                event.state, event.unavailable = state, unavailable or None
            else:
                event.state = change.state if change.op == "d" else None
        if change.op == "d":
            latest[change.table_name, change.entity_id] = event


def _last_state(
    event: Event,
    deleted: Mapping[Entity, Event],
    recalled: Mapping[Entity, Recalled],
    old_states: Mapping[OldKey, OldState],
) -> OldState:
    change = event.change
    if change.old_entity is not None and event.op != "d":
        old = (change.table_name, change.old_entity)
        if old in deleted and deleted[old].change.lsn == change.lsn:
            return deleted[old].state, deleted[old].unavailable or []
        if (*old, change.offset) in old_states:
            return old_states[*old, change.offset]
    if event.previous is not None:
        return event.previous.state, event.previous.unavailable or []
    last = recalled.get(entity_of(change))
    return (last.state, last.unavailable) if last else (None, [])


_KNOWN: dict[tuple[bool, str | None], Known] = {}


def _from_recalled(last: Recalled | None) -> Known:
    return Known(last.op != "d", last.tenant) if last else NEVER


def _floor(progress: Progress) -> int:
    """No event of the run is earlier than this."""
    floors = []
    if progress.last_effective is not None:
        floors.append(progress.last_effective)
    if progress.settled_until is not None:
        floors.append(progress.settled_until + 1)
    return max(floors, default=-(2**62))


def _may_be_a_neighbours_copy(change: Change) -> bool:
    """Without an lsn nothing identifies a record; only an identical neighbour can be told."""
    return change.lsn is None and change.op != "r" and not change.tombstone


def _is_fresh(tombstone: Change, previous: Event | None, last: Recalled | None) -> bool:
    """Whether a tombstone after a copy is new: what it was sent after is still the entity's last event."""
    if tombstone.follows is None:
        return True
    if previous is not None:
        return tombstone.follows == previous.change.lsn
    return last is not None and tombstone.follows == last.lsn


def _is_copy(change: Change, previous: Event | None, last: Recalled | None) -> bool:
    """Whether a change without an lsn is its neighbour once more."""
    if previous is not None:
        seen = previous.change
        return (
            _same_op(previous.op, change.op) and seen.source_time == change.source_time and seen.state == change.state
        )
    if last is None or not _same_op(last.op, change.op) or last.source_time != change.source_time:
        return False
    if change.op == "d":
        return True
    state = change.state
    if change.incomplete and state is not None:
        state, _ = complete(state, last.state, last.unavailable)
    return last.state == state


def _same_op(one: str, other: str) -> bool:
    """A change of tenant is stored as a create, whatever it was sent as."""
    return one == other or {one, other} == {"c", "u"}
