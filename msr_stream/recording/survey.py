"""A look through a run before it is folded: what must be looked up, and what must wait. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from msr_stream.recording.cache import NEVER, Entity, EntityCache, Known
from msr_stream.recording.event import OldKey, OldState
from msr_stream.records.change import Change


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
        if change.incomplete or change.op == "d" or may_be_a_neighbours_copy(change):
            needs[entity] = True
        elif found is None:
            needs[entity] = False
    return Survey(known, needs)


def first_waiting(changes: Sequence[Change], old_states: Mapping[OldKey, OldState]) -> int | None:
    """Index of the first change whose unchanged values only the entity under its old key has, elsewhere."""
    deleted: set[tuple[Entity, int | None]] = set()
    for index, change in enumerate(changes):
        if change.op == "d":
            deleted.add(((change.table_name, change.entity_id), change.lsn))
        elif change.incomplete and change.old_entity is not None:
            old = (change.table_name, change.old_entity)
            if (old, change.lsn) not in deleted and (*old, change.offset) not in old_states:
                return index
    return None


def may_be_a_neighbours_copy(change: Change) -> bool:
    """Without an lsn nothing identifies a record; only an identical neighbour can be told."""
    return change.lsn is None and change.op != "r" and not change.tombstone
