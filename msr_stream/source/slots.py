"""Replication slots: what holds the source's log for the capture, until it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from msr_stream.source.queries import load


class Counts(NamedTuple):
    """What was decoded through a slot: a new one of the same name begins with nothing.

    Attributes:
        transactions: How many.
        bytes: Their size.
        server: When the server was started: one that has crashed counts anew.
        reset: When somebody last let it count anew; None: nobody has since the slot was made.
    """

    transactions: int
    bytes: int
    server: str
    reset: str | None

    def is_another(self, before: Counts) -> bool:
        """Whether these are surely another slot's than those of a look before."""
        if self.server != before.server:
            return False
        if self.reset != before.reset:
            return self.reset is None
        return self.transactions < before.transactions or self.bytes < before.bytes


@dataclass(frozen=True, slots=True)
class SlotState:
    """A slot at one moment.

    Attributes:
        name: The slot's.
        active: Whether something reads it.
        wal_status: `reserved`, `extended` (more is kept than max_wal_size), `unreserved` (may be lost at the
            next checkpoint), `lost` (can never be read again), or `missing` (there is no such slot).
        lag_bytes: Log that the capture has not confirmed yet; None if the slot never confirmed any.
        counts: What was decoded through it; None if that is not counted.
    """

    name: str
    active: bool
    wal_status: str
    lag_bytes: int | None
    counts: Counts | None = None

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


class Look(NamedTuple):
    """What a look at a source's slots has shown.

    Attributes:
        slots: The slots.
        began: Instant, by the source's clock.
        ended: Instant, by the same.
    """

    slots: Sequence[SlotState]
    began: int
    ended: int

    @property
    def state(self) -> str:
        """The state that says most: of one that is lost, of none at all, or whatever they are."""
        found = {slot.wal_status for slot in self.slots}
        order = ("lost", "unreserved", "extended", "reserved")
        return next((state for state in order if state in found), "missing" if not found else min(found))

    @property
    def counts(self) -> dict[str, Counts]:
        """What was decoded, by slot."""
        return {slot.name: slot.counts for slot in self.slots if slot.counts is not None}


async def slot_state(connection: Any, slot: str) -> SlotState:
    """How a slot is.

    Args:
        connection: asyncpg, to any database of the source's server (the primary).
        slot: Its name.
    """
    states = await slot_states(connection, slot)
    return states[0] if states else SlotState(slot, active=False, wal_status="missing", lag_bytes=None)


async def slot_states(connection: Any, slot: str | None = None) -> list[SlotState]:
    """The slots of the connection's database that a connector may read, or the one named."""
    rows = await connection.fetch(load("survey")["slots"].sql, slot)
    return [SlotState(row["name"], row["active"], row["wal_status"], row["lag_bytes"], _counts(row)) for row in rows]


def made_anew(before: Mapping[str, Counts], now: Mapping[str, Counts]) -> list[str]:
    """The slots that were dropped and made anew between two looks, as far as that is sure.

    One that has decoded as much already as the one before it is not seen.
    """
    return [name for name, counts in now.items() if name in before and counts.is_another(before[name])]


async def look_at_slots(connection: Any) -> Look:
    """Look at the slots of the connection's database."""
    clock = load("survey")["clock"].sql
    began = await connection.fetchval(clock)
    slots = await slot_states(connection)
    return Look(slots, began, await connection.fetchval(clock))


def _counts(row: Mapping[str, Any]) -> Counts | None:
    if row["transactions"] is None:
        return None
    return Counts(row["transactions"], row["bytes"], row["server"], row["reset"])
