"""States that only the entity's last one can complete: deletes, and values that were not sent. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msr_stream.recording.cache import NEVER, Entity
from msr_stream.recording.event import Event, OldKey, OldState, Recalled, entity_of
from msr_stream.recording.survey import Survey
from msr_stream.records.state import complete


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
