"""A logical record of the capture, and the bytes by which the broker carries it, in each of the three shapes."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from msr_stream.recording.progress import Shard

#: Column to its value as JSON text.
Row = Mapping[str, str]

#: Columns that may stay unchanged in an update, and how the capture writes that.
LARGE = {
    "big": '"__debezium_unavailable_value"',
    "blob": '"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="',
    "tags": '["__debezium_unavailable_value"]',
}


@dataclass(frozen=True)
class Item:
    """What the capture has to say, in its order.

    Attributes:
        index: its place in the source's stream.
        kind: `c`, `r`, `u`, `d`, `tombstone`, or what is wrong with a poison record.
        table: `schema.table`.
        key: the primary key.
        row: the row; of a delete what is sent as the row before; `None` is null.
        unchanged: columns whose value is not sent.
        full: updates carry the row before, as with REPLICA IDENTITY FULL.
        time: commit time.
        lsn: log sequence number; `None` in an incremental snapshot.
        commit: log sequence number of the commit before; `None` after a start without stored offset.
        old_key: the primary key before it was changed.
        new_key: the primary key after it was changed.
    """

    index: int
    shard: Shard
    kind: str
    table: str
    key: Row
    row: Row | None
    time: int
    lsn: int | None
    txid: int | None
    commit: int | None
    unchanged: frozenset[str] = frozenset()
    full: bool = False
    old_key: Row | None = None
    new_key: Row | None = None

    @property
    def poison(self) -> bool:
        """Whether it cannot be recorded."""
        return len(self.kind) > 1 and self.kind != "tombstone"


class Style(NamedTuple):
    """How a source's connector is set: the shape (1, 2, 3), the schema envelope, and `source.sequence` or not."""

    shape: int
    wrapped: bool = False
    sequences: bool = True


def text_of(raw: Row, spaced: bool = False) -> str:
    """A JSON object of raw values; `spaced` with white space that a parser does not care for."""
    between, colon = (",\r\n\t", " :\t") if spaced else (",", ":")
    return "{" + between.join(f"{json.dumps(name)}{colon}{value}" for name, value in raw.items()) + "}"


def render(item: Item, style: Style, *, null_first: bool) -> tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]:
    """Key, value and headers of its record."""
    key: bytes | None = _wrapped(text_of(item.key), style).encode()
    headers = [("__debezium.oldkey", text_of(item.old_key).encode())] if item.old_key else []
    headers += [("__debezium.newkey", text_of(item.new_key).encode())] if item.new_key else []
    if item.kind == "tombstone":
        return key, None, headers
    if item.poison:
        return _poisonous(item, style, null_first)
    shapes = {1: _envelope, 2: _flattened, 3: _restructured}
    return key, _wrapped(shapes[style.shape](item, style, null_first), style).encode(), headers


def _wrapped(text: str, style: Style) -> str:
    return f'{{"schema":{{"type":"struct","fields":[]}},"payload":{text}}}' if style.wrapped else text


def sent_row(item: Item) -> Row | None:
    """The row as it is sent, with placeholders."""
    if item.row is None:
        return None
    return {name: LARGE[name] if name in item.unchanged else value for name, value in item.row.items()}


def _sequence(item: Item, null_first: bool) -> str:
    commit = None if null_first or item.commit is None else str(item.commit)
    return json.dumps([commit, None if item.lsn is None else str(item.lsn)], separators=(",", ":"))


def _envelope(item: Item, style: Style, null_first: bool) -> str:
    row = sent_row(item)
    state = "null" if row is None else text_of(row, spaced=item.index % 3 == 0)
    before = state if item.kind == "d" else '{"id":0}' if item.full and item.kind == "u" else "null"
    schema, table = item.table.split(".")
    snapshot = "false" if item.kind != "r" else "incremental" if item.lsn is None else "true"
    source = {
        "version": "3.6.1", "connector": "postgresql", "name": item.shard.topic.split(".")[0], "db": "source",
        "ts_ms": item.time // 1000, "ts_us": item.time, "ts_ns": item.time * 1000, "snapshot": snapshot,
        "schema": schema, "table": table, "txId": item.txid, "lsn": item.lsn, "xmin": None,
    }  # fmt: skip
    if style.sequences:
        source["sequence"] = _sequence(item, null_first)
    after = "null" if item.kind == "d" else state
    return (
        f'{{"before":{before},"after":{after},"source":{json.dumps(source)},"transaction":null,'
        f'"op":"{item.kind}","ts_ms":1}}'
    )


def _flattened(item: Item, style: Style, null_first: bool) -> str:
    schema, table = item.table.split(".")
    added = {
        "__deleted": '"true"' if item.kind == "d" else '"false"', "__op": f'"{item.kind}"', "__table": f'"{table}"',
        "__schema": f'"{schema}"', "__source_ts_ms": str(item.time // 1000), "__source_ts_us": str(item.time),
        "__source_lsn": str(item.lsn) if item.lsn is not None else "null", "__source_txId": str(item.txid),
        "__source_snapshot": '"true"' if item.kind == "r" else '"false"',
    }  # fmt: skip
    if style.sequences:
        added["__source_sequence"] = json.dumps(_sequence(item, null_first))
    return text_of({**(sent_row(item) or item.key), **added})


def _restructured(item: Item, style: Style, null_first: bool) -> str:
    row = sent_row(item)
    fields = {
        "entity_id": json.dumps(next(iter(item.key.values()))), "op": f'"{item.kind}"',
        "event_timestamp": str(item.time // 1000), "table_name": f'"{item.table}"',
        "data": "null" if row is None else json.dumps(text_of(row)),
    }  # fmt: skip
    return text_of(fields)


def _poisonous(
    item: Item, style: Style, null_first: bool
) -> tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]:
    key, row, time, kind = dict(item.key), dict(item.row or {}), item.time, "c"
    if item.kind == "nul":
        row["note"] = '"\\u0000"'
    if item.kind == "surrogate":
        row["tenant_id"] = '"\\ud800"'
    if item.kind == "year":
        time = 3_000_000_000_000_000_000
    if item.kind == "operation":
        kind = "x"
    if item.kind == "too-long":  # for PostgreSQL's index, which only the database finds
        key["id"] = json.dumps(random.Random(item.index).randbytes(9000).hex())
    sound = Item(
        item.index, item.shard, kind, item.table, key, row, time, item.lsn, item.txid, item.commit
    )  # fmt: skip
    value = _envelope(sound, style, null_first)
    if item.kind == "sequence":
        value = value.replace('"sequence": "[', '"sequence": "[\\"x\\",')
    if item.kind == "not-json":
        value = value[:-1]
    return None if item.kind == "no-key" else text_of(key).encode(), value.encode(), []
