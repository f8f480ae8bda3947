"""The topic that is recorded: envelopes of about 1 KB as Debezium writes them, in four partitions."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

PARTITIONS = 4
ENTITIES = 100_000
TOPIC = "bench.bench.entity"

#: Columns of the table, with the types that Connect's schemas have for them.
COLUMNS = {
    "id": "int64", "tenant_id": "string", "lon": "double", "lat": "double",
    "speed": "string", "n": "int64", "note": "string", "body": "string",
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """What the topic holds.

    Attributes:
        name: for the result.
        toast: every update has a placeholder for a large value that did not change.
        deletes: share of bare deletes.
    """

    name: str
    toast: bool = False
    deletes: float = 0.0


PLAIN = Case("updates without `before`")
TOAST = Case("a TOAST placeholder in every update, 10 % bare deletes", toast=True, deletes=0.1)


def envelopes(case: Case, count: int, seed: int = 7) -> list[tuple[bytes, bytes]]:
    """Keys and values of `count` records: every entity is created, then updated or deleted at random."""
    rng = random.Random(seed)
    filler = [rng.randbytes(330).hex() for _ in range(64)]
    started = time.time_ns() // 1000 - count * 10
    live: set[int] = set()
    entities = min(ENTITIES, count // 4)
    found = []
    for number in range(count):
        entity = number if number < entities else rng.randrange(entities)
        op = "c" if entity not in live else "d" if rng.random() < case.deletes else "u"
        live.symmetric_difference_update({entity} if op != "u" else ())
        row = {
            "id": entity, "tenant_id": f"t{entity % 2 + 1}", "lon": 103.8 + rng.random(), "lat": 1.2 + rng.random(),
            "speed": f"{rng.random() * 30:.3f}", "n": number, "note": filler[number % 64],
            "body": "__debezium_unavailable_value" if case.toast and op == "u" else "x" * 64,
        }  # fmt: skip
        bare = {"id": entity, "tenant_id": None, "note": None, "body": None}
        lsn = 1_000_000 + number * 64
        source = {
            "version": "3.6.1.Final", "connector": "postgresql", "name": "bench",
            "ts_ms": (started + number * 10) // 1000, "snapshot": "false",
            "db": "source", "sequence": json.dumps([str(lsn - 32), str(lsn)]),
            "ts_us": started + number * 10, "schema": "bench", "table": "entity", "txId": 700 + number, "lsn": lsn,
        }  # fmt: skip
        value = {
            "before": bare if op == "d" else None, "after": None if op == "d" else row, "source": source,
            "transaction": None, "op": op, "ts_ms": started // 1000,
        }  # fmt: skip
        found.append((json.dumps({"id": entity}).encode(), json.dumps(value, separators=(",", ":")).encode()))
    return found


def schema() -> dict[str, Any]:
    """What Connect calls the schema of these envelopes: for readers that cannot do without one."""
    row = [{"field": name, "type": kind, "optional": name != "id"} for name, kind in COLUMNS.items()]
    texts = ["version", "connector", "name", "snapshot", "db", "sequence", "schema", "table"]
    source = [{"field": name, "type": "string", "optional": name == "sequence"} for name in texts]
    source += [{"field": name, "type": "int64", "optional": True} for name in ("ts_ms", "ts_us", "txId", "lsn")]
    return _struct(
        f"{TOPIC}.Envelope",
        [
            _struct(f"{TOPIC}.Value", row) | {"field": "before", "optional": True},
            _struct(f"{TOPIC}.Value", row) | {"field": "after", "optional": True},
            _struct("io.debezium.connector.postgresql.Source", source) | {"field": "source"},
            {"field": "op", "type": "string", "optional": False},
            {"field": "ts_ms", "type": "int64", "optional": True},
        ],
    )


def _struct(name: str, fields: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "struct", "name": name, "optional": False, "fields": list(fields)}


async def fill(brokers: str, records: Sequence[tuple[bytes, bytes]]) -> None:
    """Make the topic and write the records to it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])
    finally:
        await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=brokers, linger_ms=20, max_batch_size=1 << 18) as producer:
        for start in range(0, len(records), 5000):
            sent = [await producer.send(TOPIC, value, key) for key, value in records[start : start + 5000]]
            await asyncio.gather(*sent)
