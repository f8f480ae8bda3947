"""What differs between two instants: entities created, changed (with the fields that did) and deleted, shard by shard.

Only entities with events after the first instant and up to the second can differ: the state of these alone is read at
the first, from the keyframe before it and the events since, and the last event of each is its state at the second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from msr_stream import metrics
from msr_stream.instants import FIRST
from msr_stream.records.state import fields_of
from msr_stream.replay import DiffQuery
from msr_stream.store import queries
from msr_stream.store.literals import instant, literal
from msr_stream.store.sinks import Sink
from msr_stream.store.snapshot import Snapshot

_sql = queries.load("diff")


class _Pair(msgspec.Struct, forbid_unknown_fields=True):
    """An entity as it was and as it is: its rows are the text that arrived; one that is not there is unset."""

    table_name: str
    entity_id: str
    event_timestamp: str
    before: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    after: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    unavailable_fields: list[str] = []


_decoder, _encoder = msgspec.json.Decoder(_Pair), msgspec.json.Encoder()


async def diff(snapshot: Snapshot, query: DiffQuery, sink: Sink) -> None:
    """What differs, as lines of JSON after a comma each; within a shard by table and entity.

    Args:
        snapshot: in which the second instant is settled.
        query: between which instants, of which tables, and what of each.
        sink: takes the lines.
    """
    with metrics.QUERY_SECONDS.labels("diff").time():
        shards = await snapshot.rows(_sql["changed_shards"], query.start, list(query.tables))
        await snapshot.rows(_sql["hashes"])
        for shard in shards:
            lines = _Differences(sink, query.fields)
            await snapshot.copy(_statement(shard, query, snapshot.tenant), lines)
        await snapshot.rows(_sql["loops_too"])


def _statement(shard: Mapping[str, Any], query: DiffQuery, tenant: str) -> str:
    number, frame, since = shard["shard_id"], shard["keyframe_id"], shard["keyframe_timestamp"]
    after = FIRST if since is None else since
    own = f"shard_id = {literal(number)}"
    return _sql["differences"].format(
        tenant=literal(tenant),
        tables=f"table_name = ANY ({literal(query.tables)})" if query.tables else "true",
        window=f"{own} AND event_timestamp > {instant(query.start)} AND event_timestamp <= {instant(query.end)}",
        # Which position is meant must be said: what is joined has one too.
        events=f"{own} AND e.position > {literal(shard['position'])} AND e.event_timestamp > {instant(after)}"
        f" AND e.event_timestamp <= {instant(query.start)}",
        keyframe="false"
        if frame is None
        else f"keyframe_id = {literal(frame)} AND keyframe_timestamp = {instant(since)}",
    )


class _Differences:
    """Takes pairs as they come from the database, cut anywhere, and passes on what differs."""

    def __init__(self, sink: Sink, fields: Sequence[str] = ()) -> None:
        self._sink, self._fields, self._rest = sink, fields, b""

    async def __call__(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        found = b"".join(difference(line, self._fields) for line in lines)
        if found:
            await self._sink(found)


def difference(pair: bytes, wanted: Sequence[str] = ()) -> bytes:
    """One line of JSON after a comma; empty if nothing differs.

    A field that is not available on either side is not compared, but named: it may have changed.

    Args:
        pair: an entity as it was and as it is.
        wanted: the columns of its state that are told, also of a changed one; empty: all, and of a changed one none.
    """
    read = _decoder.decode(pair)
    about: dict[str, Any] = {
        "table_name": read.table_name,
        "entity_id": read.entity_id,
        "event_timestamp": read.event_timestamp,
    }
    unknown = sorted(set(read.unavailable_fields))
    if read.before is msgspec.UNSET:
        about |= {"change": "created", "entity_state": _part(read.after, wanted)}
    elif read.after is msgspec.UNSET:
        about |= {"change": "deleted", "entity_state": _part(read.before, wanted)}
    else:
        fields = changed(fields_of(bytes(read.before)), fields_of(bytes(read.after)), unknown)
        if not fields and not unknown:
            return b""
        about |= {"change": "changed"}
        if wanted:
            about |= {"entity_state": _part(read.after, wanted)}
        about |= {"changed": fields}
    if unknown:
        about["unavailable_fields"] = unknown
    return b"," + _encoder.encode(about) + b"\n"


def _part(state: msgspec.Raw | msgspec.UnsetType, wanted: Sequence[str]) -> Any:
    """Some columns of a state, each value as it came; none wanted: the state as it came."""
    if not wanted or state is msgspec.UNSET:
        return state
    return {name: value for name, value in fields_of(bytes(state)).items() if name in wanted}


def changed(
    before: Mapping[str, msgspec.Raw], after: Mapping[str, msgspec.Raw], unknown: list[str]
) -> dict[str, dict[str, msgspec.Raw]]:
    """Field by field what was and what is, as the text that arrived; a field that is not there is left out."""
    sides = (("before", before), ("after", after))
    return {
        name: {when: state[name] for when, state in sides if name in state}
        for name in {**before, **after}
        if name not in unknown
        and (bytes(before[name]) if name in before else None) != (bytes(after[name]) if name in after else None)
    }
