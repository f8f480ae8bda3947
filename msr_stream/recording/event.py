"""What a change becomes, and what is known of an entity before it."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from msr_stream.recording.cache import Entity
from msr_stream.records.change import Change

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


def entity_of(change: Change) -> Entity:
    """Its entity."""
    return change.table_name, change.entity_id
