"""Sources, tables, shards and connectors put together as an administrator reads them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from msr_stream import instants
from msr_stream.connectors import Connector
from msr_stream.recording.progress import Shard
from msr_stream.store.sources import Known


class TaskState(BaseModel):
    """A connector's task; `trace` is the first line of what it failed with."""

    id: int
    state: str
    trace: str | None


class ConnectorState(BaseModel):
    """A connector as Kafka Connect says: RUNNING also while it retries for ever."""

    name: str
    state: str
    tasks: list[TaskState]


class TableState(BaseModel):
    """A table; `published` is null while nobody looks, `without_tenant` counts events that nobody sees."""

    table: str
    topic: str
    published: bool | None
    first_recorded_at: str
    retired_at: str | None
    without_tenant: int


class ShardState(BaseModel):
    """How far a shard is; `end_offset` and `lag` are null where the broker does not say."""

    topic: str
    partition: int
    flushed_offset: int
    position: int
    end_offset: int | None
    lag: int | None
    last_event: str | None
    settled_until: str | None
    events: int
    live_entities: int
    copies: int
    dead_letters: int
    live: bool
    stopped: str | None
    retired_at: str | None


class SourceState(BaseModel):
    """A source; `error` says why its connectors are not known."""

    source: str
    marker_at: str | None
    heard_at: str | None
    slot_state: str | None
    connectors: list[ConnectorState]
    error: str | None
    tables: list[TableState]
    shards: list[ShardState]


def overview(
    known: Known, connectors: Sequence[Connector], error: str | None, ends: Mapping[Shard, int]
) -> list[SourceState]:
    """Every source, also one that only a connector knows so far.

    Args:
        known: what the database has.
        connectors: what Kafka Connect has.
        error: why that is not known, if it is not.
        ends: the offset after the last of each log, as far as the broker has said.
    """
    names = sorted({row["source"] for row in known.sources} | {connector.source for connector in connectors})
    return [_source(name, known, connectors, error, ends) for name in names]


def _source(
    name: str, known: Known, connectors: Sequence[Connector], error: str | None, ends: Mapping[Shard, int]
) -> SourceState:
    row: Mapping[str, Any] = next((row for row in known.sources if row["source"] == name), {})
    return SourceState(
        source=name,
        marker_at=_text(row.get("marker_at")),
        heard_at=_text(row.get("heard_at")),
        slot_state=row.get("slot_state"),
        connectors=[_connector(one) for one in connectors if one.source == name],
        error=error,
        tables=[_table(one) for one in known.tables if one["source"] == name],
        shards=[
            _shard(one, ends.get(Shard(one["topic"], one["partition"])))
            for one in known.shards
            if one["source"] == name
        ],
    )


def _connector(one: Connector) -> ConnectorState:
    tasks = [TaskState(**task._asdict()) for task in one.tasks]
    return ConnectorState(name=one.name, state=one.state, tasks=tasks)


def _table(row: Any) -> TableState:
    values = {name: row[name] for name in ("topic", "published", "without_tenant")}
    times = {name: _text(row[name]) for name in ("first_recorded_at", "retired_at")}
    return TableState(table=row["table_name"], **values, **times)


def _shard(row: Any, end: int | None) -> ShardState:
    same = (
        "topic",
        "partition",
        "flushed_offset",
        "events",
        "live_entities",
        "copies",
        "dead_letters",
        "live",
        "stopped",
    )
    return ShardState(
        **{name: row[name] for name in same},
        position=row["last_position"],
        end_offset=end,
        lag=None if end is None else max(0, end - row["flushed_offset"] - 1),
        last_event=_text(row["last_effective"]),
        settled_until=_text(row["settled_until"]),
        retired_at=_text(row["retired_at"]),
    )


def _text(instant: int | None) -> str | None:
    return None if instant is None else instants.render(instant)
