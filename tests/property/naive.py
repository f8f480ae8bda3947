"""What must come out, folded naively from what the logs hold: written from the documents, not from the code."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from msr_stream.recording.progress import Shard
from tests.property.rendering import Item, Row

#: Source's name, table, entity id.
Entity = tuple[str, str]


@dataclass(frozen=True)
class Expected:
    """An event that must be recorded."""

    item: Item
    op: str
    table: str
    entity_id: str
    tenant: str | None
    state: Row | None
    unavailable: frozenset[str]


@dataclass(frozen=True)
class _Last:
    op: str
    tenant: str | None
    state: Row | None
    unavailable: frozenset[str]


def entity_id(key: Row) -> str:
    """The key as text: composite values joined with colons."""
    values = [json.loads(raw) if raw.startswith('"') else raw for raw in key.values()]
    if len(values) == 1:
        return str(values[0])
    return ":".join(value.replace("\\", "\\\\").replace(":", "\\:") for value in values)


def tenant_of(row: Row) -> str | None:
    """`None` without the column, empty where it is null."""
    raw = row.get("tenant_id")
    return None if raw is None else "" if raw == "null" else json.loads(raw)


def first_seen(log: Iterable[Item]) -> list[Item]:
    """A shard's changes without what the capture sent twice, without tombstones and poison."""
    seen: dict[int, Item] = {}
    for item in log:
        if len(item.kind) == 1:
            seen.setdefault(item.index, item)
    return list(seen.values())


def fold(logs: Mapping[Shard, Sequence[Item]]) -> dict[Shard, list[Expected]]:
    """What each shard of one source must have recorded, from what its logs got."""
    found: dict[Shard, list[Expected]] = {shard: [] for shard in logs}
    last: dict[Entity, _Last] = {}
    left: dict[tuple[str, str, int | None], _Last] = {}  # what a key change took along
    for item in sorted({item.index: item for log in logs.values() for item in first_seen(log)}.values(), key=_index):
        entity = item.table, entity_id(item.key)
        before = last.get(entity)
        events = list(_events(item, before, left))
        found[item.shard] += [
            Expected(item, e.op, *entity, e.tenant, e.state, e.unavailable) for e in events
        ]  # fmt: skip
        last[entity] = events[-1]
        if item.kind == "d":
            left[*entity, item.lsn] = events[-1]
    return found


def _index(item: Item) -> int:
    return item.index


def _events(item: Item, before: _Last | None, left: Mapping[tuple[str, str, int | None], _Last]) -> Iterable[_Last]:
    if item.kind == "d":
        sent = tenant_of(item.row) if item.row else None
        if before is None or before.state is None:
            yield _Last("d", before.tenant if before else sent, item.row, frozenset())
        else:
            yield _Last("d", before.tenant, before.state, before.unavailable)
        return
    assert item.row is not None
    tenant = tenant_of(item.row)
    moved = before is not None and before.op != "d" and before.tenant != tenant
    if moved and before is not None:
        yield _Last("d", before.tenant, before.state, before.unavailable)
    source = before if item.old_key is None else left.get((item.table, entity_id(item.old_key), item.lsn))
    row, unavailable = dict(item.row), set()
    for name in item.unchanged:
        if source is not None and source.state is not None and name in source.state and name not in source.unavailable:
            row[name] = source.state[name]
        else:
            row[name] = "null"
            unavailable.add(name)
    yield _Last("c" if moved else item.kind, tenant, row, frozenset(unavailable))


def state_at(
    shards: Iterable[tuple[Sequence[Expected], Sequence[int]]], tenant: str, at: int
) -> dict[Entity, tuple[str, Row]]:
    """Every live entity that a tenant sees at an instant, from each shard's events and their effective times."""
    latest: dict[Entity, Expected] = {}
    for events, times in shards:
        for event, time in zip(events, times, strict=True):
            if time <= at:
                latest[event.table, event.entity_id] = event
    return {
        entity: (event.op, event.state)
        for entity, event in latest.items()
        if event.op != "d" and event.state is not None and event.tenant in (None, tenant)
    }
