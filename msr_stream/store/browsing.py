"""The history of one entity, as one snapshot shows it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import orjson

from msr_stream import instants
from msr_stream.paging import Page
from msr_stream.records.state import fields_of, joined
from msr_stream.store import queries
from msr_stream.store.snapshot import Snapshot

V = TypeVar("V")

_sql = queries.load("browsing")


async def entity(
    snapshot: Snapshot, table: str, entity_id: str, window: tuple[int, int], page: Page, fields: Collection[str] = ()
) -> tuple[list[dict[str, Any]], int]:
    """One page of an entity's events, each with the fields that it has changed; and how many there are in all.

    Args:
        snapshot: in which the window's end is settled.
        table: the entity's table.
        entity_id: the entity.
        window: after one instant and up to another.
        page: which of its events.
        fields: nothing but these; empty: all.
    """
    start, end = window
    asked = (table, entity_id, start, end, snapshot.tenant)
    found = await snapshot.rows(_sql["entity"], *asked, page.size + 1, max(0, page.offset - 1))
    total = found[0]["total"] if found else 0
    if not found and page.offset:
        first = await snapshot.rows(_sql["entity"], *asked, 1, 0)
        total = first[0]["total"] if first else 0
    if page.offset:
        before, shown = found[0] if found else None, found[1:]
    else:
        earlier = await snapshot.rows(_sql["entity_before"], table, entity_id, start, snapshot.tenant)
        before, shown = earlier[0] if earlier else None, found[: page.size]
    events = []
    for row in shown:
        events.append(_event(row, before, fields))
        before = row
    return events, total


def _event(row: Mapping[str, Any], before: Mapping[str, Any] | None, fields: Collection[str]) -> dict[str, Any]:
    source_time = row["source_timestamp"]
    return {
        "op": row["op"],
        "event_timestamp": instants.render(row["event_timestamp"]),
        **({"source_timestamp": instants.render(source_time)} if source_time is not None else {}),
        "entity_state": _raw(row["entity_state"], fields),
        "changed": _changed(_chosen(_state(before), fields), _chosen(_state(row), fields)),
        **({"unavailable_fields": row["unavailable_fields"]} if row["unavailable_fields"] else {}),
    }


def _state(row: Mapping[str, Any] | None) -> dict[str, bytes]:
    """The values that an event leaves behind: none after a delete."""
    if row is None or row["op"] == "d" or row["entity_state"] is None:
        return {}
    return {name: bytes(value) for name, value in fields_of(row["entity_state"].encode()).items()}


def _changed(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """Field by field what was and what is, as the text that arrived; a field that is not there is left out."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {
        name: {
            when: orjson.Fragment(state[name])
            for when, state in (("before", before), ("after", after))
            if name in state
        }
        for name in names
    }


def _chosen(state: Mapping[str, V], fields: Collection[str]) -> dict[str, V]:
    return {name: value for name, value in state.items() if not fields or name in fields}


def _raw(text: str | None, fields: Collection[str]) -> orjson.Fragment | None:
    if text is None or not fields:
        return None if text is None else orjson.Fragment(text)
    return orjson.Fragment(joined(_chosen(fields_of(text.encode()), fields)))
