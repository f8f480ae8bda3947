"""Replication slots: what holds the source's log for the capture, until it is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from msr_stream.source.queries import load


@dataclass(frozen=True, slots=True)
class SlotState:
    """A slot at one moment.

    Attributes:
        name: The slot's.
        active: Whether something reads it.
        wal_status: `reserved`, `extended` (more is kept than max_wal_size), `unreserved` (may be lost at the
            next checkpoint), `lost` (can never be read again), or `missing` (there is no such slot).
        lag_bytes: Log that the capture has not confirmed yet; None if the slot never confirmed any.
    """

    name: str
    active: bool
    wal_status: str
    lag_bytes: int | None

    @property
    def lost(self) -> bool:
        """Whether changes are missing for good: only a new snapshot tells what became of the rows."""
        return self.wal_status == "lost"

    @property
    def advice(self) -> str | None:
        """What to do, in one line; None if all is well."""
        if self.wal_status == "lost":
            return (
                "changes are lost and the connector retries without an end: "
                f"SELECT pg_drop_replication_slot('{self.name}'), then it takes a new snapshot by itself"
            )
        if self.wal_status == "unreserved":
            return "it is about to be lost: see that the connector runs, or raise max_slot_wal_keep_size"
        if self.wal_status == "missing":
            return "there is no such slot: the connector makes it when it starts"
        if not self.active:
            return "nobody reads it while the source keeps its log for it: start the connector, or drop the slot"
        return None


async def slot_state(connection: Any, slot: str) -> SlotState:
    """How a slot is.

    Args:
        connection: asyncpg, to any database of the source's server (the primary).
        slot: Its name.
    """
    states = await slot_states(connection, slot)
    return states[0] if states else SlotState(slot, active=False, wal_status="missing", lag_bytes=None)


def worst(states: Sequence[SlotState]) -> str:
    """The state that says most about a source's slots: one that is lost, none at all, or whatever they are."""
    found = {state.wal_status for state in states}
    order = ("lost", "unreserved", "extended", "reserved")
    return next((state for state in order if state in found), "missing" if not found else min(found))


async def slot_states(connection: Any, slot: str | None = None) -> list[SlotState]:
    """The slots of the connection's database that a connector may read, or the one named."""
    rows = await connection.fetch(load("survey")["slots"].sql, slot)
    return [SlotState(row["name"], row["active"], row["wal_status"], row["lag_bytes"]) for row in rows]
