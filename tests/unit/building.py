"""Builders for the unit tests: records as the broker has them, and changes as the decoder makes them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msr_stream.records.change import Change
from msr_stream.testing import MemoryRecord

FIXTURES = Path(__file__).parent.parent / "fixtures"

#: 2026-11-23T00:00:00Z, an instant like any other.
NOON = 1_795_392_000_000_000
SOURCE: dict[str, Any] = {"name": "p", "schema": "s", "table": "t", "ts_us": NOON, "snapshot": "false"}
STREAMED = {**SOURCE, "lsn": 200, "txId": 7, "sequence": '["100","200"]'}


def record(
    value: bytes | str | None,
    key: bytes | str | None = '{"id":1}',
    headers: Sequence[tuple[str, bytes]] = (),
    *,
    offset: int = 0,
    timestamp: int = 0,
) -> MemoryRecord:
    """A broker record."""
    key, value = (part.encode() if isinstance(part, str) else part for part in (key, value))
    return MemoryRecord(offset, timestamp, key, value, headers)


def envelope(after: str = '{"id":1}', *, op: str = "c", before: str = "null", **source: Any) -> str:
    """Debezium's envelope of a streamed change; `None` leaves a field of the source out."""
    block = {name: value for name, value in {**STREAMED, **source}.items() if value is not None}
    return f'{{"before":{before},"after":{after},"source":{json.dumps(block)},"op":"{op}","ts_ms":1}}'


def change(entity: str, op: str = "u", state: str | None = '{"n":1}', **fields: Any) -> Change:
    """A decoded change of table `s.t` at `NOON`."""
    defaults: dict[str, Any] = {"offset": 0, "table_name": "s.t", "source_time": NOON}
    raw = state.encode() if state is not None else None
    return Change(**{**defaults, "op": op, "entity_id": entity, "state": raw, **fields})


def streamed(entity: str, op: str = "u", sequence: tuple[int | None, int] = (1, 1), **fields: Any) -> Change:
    """A change that the capture numbered; transaction 7 unless said otherwise."""
    commit, lsn = sequence
    numbers = {
        "lsn": lsn,
        "txid": 7,
        "commit_lsn": commit,
        "sequence": (commit, lsn) if commit is not None else None,
    }
    return change(entity, op, **{**numbers, **fields})


def fixture(name: str) -> list[tuple[str, int, MemoryRecord]]:
    """Topic, partition and record of each line of a capture."""
    return [parsed(line) for line in captured(name)]


def captured(name: str) -> list[dict[str, Any]]:
    """The lines of a capture, as they lie in the file."""
    text = (FIXTURES / "debezium" / f"{name}.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def parsed(line: Mapping[str, Any]) -> tuple[str, int, MemoryRecord]:
    """A line of a capture as the broker had it."""
    headers = [(name, base64.b64decode(value)) for name, value in line["headers"]]
    made = record(line["value"], line["key"], headers, offset=line["offset"], timestamp=line["timestamp"])
    return line["topic"], line["partition"], made
