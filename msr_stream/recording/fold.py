"""Changes to events, in order: positions and effective times given, tenants followed. Pure.

What must be known of the entities comes from a `survey`; states that only the entity's last one can complete are
filled in afterwards (`completion`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from msr_stream.instants import MINUTE
from msr_stream.recording.cache import NEVER, Entity, Known
from msr_stream.recording.event import Event, Recalled
from msr_stream.recording.progress import Progress
from msr_stream.recording.survey import Survey, may_be_a_neighbours_copy
from msr_stream.records.change import Change
from msr_stream.records.state import complete


class Folded(NamedTuple):
    """The events of a run, what is known of its entities after it, and how many live more than before."""

    events: list[Event]
    known: dict[Entity, Known]
    live_delta: int
    copies: int


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
        if may_be_a_neighbours_copy(change) and _is_copy(change, previous, recalled.get(entity)):
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
        known[entity] = _known(live, tenant)
    return Folded(events, known, live_delta, copies)


@lru_cache(maxsize=4096)  # one for all entities of a tenant
def _known(live: bool, tenant: str | None) -> Known:
    return Known(live, tenant)


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
