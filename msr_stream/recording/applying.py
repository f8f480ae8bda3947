"""Applies commands over a whole table to one shard, and says where a run must be cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from msr_stream import logs
from msr_stream.recording.commands import Due, first_later, is_later, is_past
from msr_stream.recording.deriving import Deriver
from msr_stream.recording.event import OldKey, OldState
from msr_stream.recording.progress import Progress, Shard
from msr_stream.recording.survey import first_waiting
from msr_stream.records.change import Change, Command, Decoded
from msr_stream.store.commands import Commands
from msr_stream.store.database import Database

log = logs.get(__name__)


class Cut(NamedTuple):
    """What comes before `at` is recorded in a transaction of its own.

    Attributes:
        waiting: the change behind the cut that must wait for its old entity, if that is the reason.
    """

    at: int
    waiting: Change | None = None


@dataclass
class Applier:
    """The commands that one shard has still to apply.

    Attributes:
        due: in order.
    """

    shard: Shard
    database: Database
    deriver: Deriver
    due: list[Due] = field(default_factory=list)

    async def apply_past(self, progress: Progress, decoded: Sequence[Decoded]) -> Progress:
        """Apply those before which nothing more comes, as the shard's records or the first of these tell."""
        first = next((item for item in decoded[:1] if isinstance(item, Change) and not item.tombstone), None)
        return await self._apply(
            progress, lambda one: is_past(one, progress) or (first is not None and is_later(first, one))
        )

    async def apply_until(self, progress: Progress, instant: int) -> Progress:
        """Apply those up to an instant: everything that was committed before it is recorded."""
        return await self._apply(progress, lambda one: is_past(one, progress) or one.command_timestamp <= instant)

    async def _apply(self, progress: Progress, chosen: Callable[[Due], bool]) -> Progress:
        for command in [one for one in self.due if chosen(one)]:
            before = progress
            progress, ended = await self.database.retry("command", lambda: self._one(before, command))  # noqa: B023
            self.due.remove(command)
            self.deriver.forget_entities()
            log.info(
                "command applied", shard=str(self.shard), kind=command.kind, table=command.table_name, entities=ended
            )
        return progress

    async def _one(self, progress: Progress, command: Due) -> tuple[Progress, int]:
        return await Commands(self.database).apply(progress, command)

    def cut(self, decoded: Sequence[Decoded], old_states: Mapping[OldKey, OldState]) -> Cut | None:
        """Where a run is cut first: behind a command, before what comes after one, or before a change that waits."""
        cuts = [Cut(index + 1) for index, item in enumerate(decoded) if item.__class__ is Command][:1]
        if self.due and (later := first_later(decoded, self.due)) is not None:
            cuts.append(Cut(later))
        if (waiting := _first_waiting(decoded, old_states)) is not None:
            cuts.append(waiting)
        return min(cuts, key=lambda cut: cut.at, default=None)


def _first_waiting(decoded: Sequence[Decoded], old_states: Mapping[OldKey, OldState]) -> Cut | None:
    """Before the first change that must wait for its old entity."""
    if not any(isinstance(item, Change) and item.old_entity is not None and item.incomplete for item in decoded):
        return None
    changes = [(index, item) for index, item in enumerate(decoded) if item.__class__ is Change]
    found = first_waiting([change for _, change in changes], old_states)
    return None if found is None else Cut(*changes[found])
