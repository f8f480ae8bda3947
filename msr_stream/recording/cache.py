"""What is known of a shard's entities without asking the database: whether they live, and whose they are."""

from __future__ import annotations

from typing import NamedTuple

#: (table name, entity id)
Entity = tuple[str, str]


class Known(NamedTuple):
    """What is recorded of an entity.

    Attributes:
        live: its last event is not a delete.
        tenant: whose it was at its last event.
        recorded: there is an event of it at all.
    """

    live: bool
    tenant: str | None
    recorded: bool = True


NEVER = Known(live=False, tenant=None, recorded=False)


class EntityCache:
    """A bounded map of entities, in two generations: when the young one is full it becomes the old one.

    Attributes:
        complete: nothing was ever dropped and the shard was empty at first: what is not here does not exist.
    """

    def __init__(self, limit: int, *, complete: bool) -> None:
        self.limit = limit
        self.complete = complete
        self._young: dict[Entity, Known] = {}
        self._old: dict[Entity, Known] = {}

    def get(self, entity: Entity) -> Known | None:
        """What is known; `None` means that the database must be asked."""
        known = self._young.get(entity)
        if known is None:
            known = self._old.get(entity)
            if known is not None:
                self.put(entity, known)
            elif self.complete:
                return NEVER
        return known

    def put(self, entity: Entity, known: Known) -> None:
        """Remember."""
        self._young[entity] = known
        if len(self._young) > self.limit // 2:
            if self._old:
                self.complete = False
            self._old, self._young = self._young, {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
