"""The topic that is recorded: envelopes of about 1 KB as Debezium writes them, in four partitions."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

PARTITIONS = 4
NAME = "bench"
TOPIC, MARKERS = f"{NAME}.bench.entity", f"{NAME}.message"

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
        entities: how many there are at most.
        tenants: how many own them.
    """

    name: str
    toast: bool = False
    deletes: float = 0.0
    entities: int = 100_000
    tenants: int = 2


PLAIN = Case("updates without `before`")
TOAST = Case("a TOAST placeholder in every update, 10 % bare deletes", toast=True, deletes=0.1)


class Source:
    """A table whose every entity is created, then updated or deleted at random.

    Args:
        case: what its records are like.
        entities: how many it has.
        seed: of chance.
    """

    def __init__(self, case: Case, entities: int, seed: int = 7) -> None:
        self._case, self._entities = case, entities
        self._random = random.Random(seed)
        self._filler = [self._random.randbytes(330).hex() for _ in range(64)]
        self._live: set[int] = set()
        self._number = 0

    def change(self, at: int) -> tuple[bytes, bytes]:
        """Key and value of the next change's record, committed at an instant."""
        number, rng = self._number, self._random
        entity = number if number < self._entities else rng.randrange(self._entities)
        op = "c" if entity not in self._live else "d" if rng.random() < self._case.deletes else "u"
        self._live.symmetric_difference_update({entity} if op != "u" else ())
        value = {
            "before": {"id": entity, "tenant_id": None, "note": None, "body": None} if op == "d" else None,
            "after": None if op == "d" else self._row(entity, op),
            "source": self._source(at, "bench", "entity"), "transaction": None, "op": op, "ts_ms": at // 1000,
        }  # fmt: skip
        return json.dumps({"id": entity}).encode(), json.dumps(value, separators=(",", ":")).encode()

    def marker(self, at: int) -> tuple[bytes, bytes]:
        """Key and value of a marker's record."""
        message = {"prefix": "msr", "content": base64.b64encode(str(at).encode()).decode()}
        value = {"op": "m", "ts_ms": at // 1000, "source": self._source(at, "", ""), "message": message}
        return b'{"prefix":"msr"}', json.dumps(value, separators=(",", ":")).encode()

    def _row(self, entity: int, op: str) -> dict[str, Any]:
        number, rng = self._number, self._random
        unchanged = self._case.toast and op == "u"
        return {
            "id": entity, "tenant_id": f"t{entity % self._case.tenants + 1}",
            "lon": 103.8 + rng.random(), "lat": 1.2 + rng.random(), "speed": f"{rng.random() * 30:.3f}", "n": number,
            "note": self._filler[number % 64], "body": "__debezium_unavailable_value" if unchanged else "x" * 64,
        }  # fmt: skip

    def _source(self, at: int, schema: str, table: str) -> dict[str, Any]:
        self._number += 1
        lsn = 1_000_000 + self._number * 64
        return {
            "version": "3.6.1.Final", "connector": "postgresql", "name": NAME, "ts_ms": at // 1000, "snapshot": "false",
            "db": "source", "sequence": json.dumps([str(lsn - 32), str(lsn)]), "ts_us": at,
            "schema": schema, "table": table, "txId": 700 + self._number, "lsn": lsn,
        }  # fmt: skip


def envelopes(case: Case, count: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of `count` records, committed one after the other until now."""
    source, started = Source(case, min(case.entities, count // 4)), time.time_ns() // 1000 - count * 10
    return (source.change(started + number * 10) for number in range(count))


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


async def make_topics(brokers: str) -> None:
    """The topic, and the one of markers."""
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1), NewTopic(MARKERS, 1, 1)])
    finally:
        await admin.close()


async def fill(brokers: str, records: Iterable[tuple[bytes, bytes]]) -> None:
    """Make the topics and write the records."""
    await make_topics(brokers)
    left = iter(records)
    async with AIOKafkaProducer(bootstrap_servers=brokers, linger_ms=20, max_batch_size=1 << 18) as producer:
        while block := list(islice(left, 5000)):
            await asyncio.gather(*[await producer.send(TOPIC, value, key) for key, value in block])
