"""A source and its capture: what happens in its tables, and what reaches the broker, in which order, how often."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Callable, Sequence

from msr_stream.recording.progress import Shard
from msr_stream.testing import MemoryBroker
from tests.property.histories import MOMENTS, Copy, Delete, Poison, Put, Rename, Snapshot, Transaction
from tests.property.rendering import LARGE, Item, Row, Style, render

#: Source to its tables: name, topic, number of the topic's partitions.
TABLES = {
    "d": [("s.t", "d.s.t", 2), ("s.u", "d.s.t", 2), ("s.late", "d.s.late", 1)],
    "f": [("flat.v", "f.flat.v", 1)],
    "g": [("own.w", "g.own.w", 1)],
}
SHAPES = {"d": 1, "f": 2, "g": 3}
LATE_TOPIC = "d.s.late"
_WITHOUT_TENANT, _COMPOSITE = "s.u", "flat.v"
_NUMBERS = ("1", "1.10", "1e400", "123456789012345678901234567890", "-0.0", "null", "true", "[1.0, 2e1]")
_TEXTS = ('""', '"é\\u00e9\\n\\""', '"\\\\u0000"', '"__debezium_unavailable_value2"', '"\U0001f681 {},:"')
_RANGE = 100


class Capture:
    """One source. `delivered` is what each of its logs got, record by record."""

    def __init__(self, name: str, style: Style, broker: MemoryBroker, clock: Callable[[], int], first_null: bool):
        self.name, self.style, self.tables = name, style, TABLES[name]
        self.stream: list[Item] = []
        self.delivered: dict[Shard, list[tuple[int, Item]]] = defaultdict(list)
        self.since: dict[Shard, int] = defaultdict(int)  # where in `delivered` the present log begins
        self.sent_at: dict[int, int] = {}  # index of an item to the clock when it was first sent
        self._broker, self._clock = broker, clock
        self._rows: dict[tuple[str, int], Row] = {}
        self._held: list[Item] = []
        self._floor, self._restored = 0, False
        self._txid, self._block, self._in_transaction, self._used = 700, 1, False, 0
        self._time, self._commit, self._low = clock(), None if first_null else 0, False

    @property
    def shards(self) -> list[Shard]:
        """All shards of its tables."""
        return sorted({Shard(topic, p) for _, topic, partitions in self.tables for p in range(partitions)})

    def put(self, step: Put) -> None:
        """Insert or update."""
        table, topic, partitions = self._table(step.table)
        self._begin(step.transaction)
        lsn, before = self._next_lsn(), self._rows.get((table, step.key))
        kept = {name for bit, name in enumerate(LARGE) if before is not None and step.unchanged >> bit & 1}
        row = self._row(table, step.key, step.tenant, lsn)
        if before is not None:
            row |= {name: before[name] for name in kept}
        self._rows[table, step.key] = row
        self._say("c" if before is None else "u", table, topic, partitions, step.key, row, lsn, step.transaction,
                  unchanged=frozenset(kept), full=step.full)  # fmt: skip

    def delete(self, step: Delete) -> None:
        """Delete, with or without a tombstone after it."""
        table, topic, partitions = self._table(step.table)
        row = self._rows.pop((table, step.key), None)
        if row is None:
            return
        self._begin(step.transaction)
        sent = {"null": None, "full": row}.get(step.before, _garbage(row, table, step.key))
        where = table, topic, partitions, step.key
        self._say("d", *where, sent, self._next_lsn(), step.transaction)
        if step.tombstone and self.style.shape != 3:
            self._say("tombstone", *where, None, self.stream[-1].lsn, step.transaction)

    def rename(self, step: Rename) -> None:
        """Change a primary key: a delete, a tombstone, a create."""
        table, topic, partitions = self._table(step.table)
        if (table, step.key) not in self._rows or (table, step.to) in self._rows:
            return
        if self._restored and (step.key - step.to) % partitions:
            return  # a limit: whether the other shard has passed is not known while its numbers are the old ones
        self._begin(step.transaction)
        lsn, old = self._next_lsn(), self._rows.pop((table, step.key))
        row = self._rows[table, step.to] = {**old, **_key(table, step.to)}
        keys = _key(table, step.key), _key(table, step.to)
        where = table, topic, partitions
        self._say("d", *where, step.key, _garbage(old, table, step.key), lsn, step.transaction, new_key=keys[1])
        self._say("tombstone", *where, step.key, None, lsn, step.transaction)
        self._say("c", *where, step.to, row, lsn, step.transaction, unchanged=frozenset(LARGE), old_key=keys[0])

    def copy(self, step: Copy) -> None:
        """Insert rows that share a sequence."""
        table, topic, partitions = self._table(step.table)
        self._begin(step.transaction)
        lsn = self._next_lsn()
        for key in dict.fromkeys(step.keys):
            if (table, key) not in self._rows:
                row = self._rows[table, key] = self._row(table, key, step.tenant, lsn + key)
                self._say("c", table, topic, partitions, key, row, lsn, step.transaction)

    def snapshot(self, step: Snapshot) -> None:
        """Send all rows of a table as reads."""
        wanted, topic, partitions = self._table(step.table)
        self._begin(Transaction())
        for (table, key), row in list(self._rows.items()):
            if table == wanted:
                lsn = None if step.incremental and self.style.shape == 1 else self._next_lsn()
                self._say("r", table, topic, partitions, key, row, lsn, Transaction())

    def poison(self, step: Poison) -> None:
        """Send what cannot be recorded, of an entity of its own."""
        table, topic, partitions = self._table(0)
        self._begin(Transaction())
        number = 900 + 2 * len(self.stream) + step.partition
        lsn = self._next_lsn()
        self._say(step.kind, table, topic, partitions, number, self._row(table, number, '"t1"', lsn), lsn,
                  Transaction())  # fmt: skip

    def repeat(self) -> None:
        """Send the last record of each log again, as an at-least-once producer may."""
        for entries in self.delivered.values():
            if entries and self.style.shape == 3 and entries[-1][1].kind != "r":
                self._append(entries[-1][1], null_first=False)

    def release(self) -> None:
        """Send what is held."""
        held, self._held = self._held, []
        for item in held:
            self._append(item, null_first=False)

    def crash(self, back: int, *, null_first: bool) -> None:
        """Lose what is held, and go on some records before it. Reads are not sent again: a new snapshot is."""
        if self.style.shape == 3:
            return
        start = max(self._floor, min([item.index for item in self._held] + [len(self.stream)]) - back)
        while start < len(self.stream) and self.stream[start].kind == "tombstone":
            start -= 1
        self._held = []
        for item in self.stream[start:]:
            if item.kind != "r":
                self._append(item, null_first=null_first and item.txid == self.stream[start].txid)
        self._in_transaction = False

    def restore(self) -> None:
        """The log numbers begin again lower down; transaction numbers never come again."""
        self.release()
        self._restored = True
        self._floor, self._block, self._in_transaction = len(self.stream), max(1, self._block - 6), False
        self._commit = self._block * _RANGE - 1

    def forget_before(self) -> None:
        """What was sent until now will not be sent again."""
        self.release()
        self._floor = len(self.stream)

    def mark(self, prefix: str = "msr") -> None:
        """Write a marker: whatever was committed before has been sent."""
        self.release()
        shard, now = Shard(f"{self.name}.message", 0), self._clock()
        content = base64.b64encode(str(now).encode()).decode()
        value = {
            "op": "m",
            "source": {"name": self.name, "ts_us": now},
            "message": {"prefix": prefix, "content": content},
        }
        self._broker.logs[shard].append(None, json.dumps(value).encode(), timestamp=now // 1000)

    def _table(self, number: int) -> tuple[str, str, int]:
        return self.tables[number % len(self.tables)]

    def _begin(self, transaction: Transaction) -> None:
        if transaction.joined and self._in_transaction and self._used < _RANGE // 2 - 10:
            return
        if self.stream and self._in_transaction:
            self._commit = self._block * _RANGE - 1
        self._txid, self._block, self._used = self._txid + 1, self._block + 1, 0
        self._in_transaction, self._low = True, transaction.low
        offset = MOMENTS[transaction.moment]
        if offset is not None:
            self._time = self._clock() + offset
        if self.style.shape == 3:
            self._time -= self._time % 1000

    def _next_lsn(self) -> int:
        self._used += 1
        return (self._block - 1) * _RANGE + (-_RANGE // 2 if self._low else 0) + self._used

    def _row(self, table: str, key: int, tenant: str | None, salt: int) -> dict[str, str]:
        serial = len(self.stream)
        row = {**_key(table, key), "n": _NUMBERS[salt % len(_NUMBERS)], "note": _TEXTS[salt % len(_TEXTS)]}
        if table != _WITHOUT_TENANT and tenant is not None:
            row["tenant_id"] = tenant
        return row | {"serial": str(serial), "big": f'"big {serial}"', "blob": f'"AA{serial}"', "tags": f'["{serial}"]'}

    def _say(
        self, kind: str, table: str, topic: str, partitions: int, key: int, row: Row | None, lsn: int | None,
        transaction: Transaction, *, unchanged: frozenset[str] = frozenset(), full: bool = False,
        old_key: Row | None = None, new_key: Row | None = None,
    ) -> None:  # fmt: skip
        shard = Shard(topic, key % partitions)
        item = Item(
            len(self.stream), shard, kind, table, _key(table, key), row, self._time, lsn,
            None if lsn is None else self._txid, self._commit, unchanged, full, old_key, new_key,
        )  # fmt: skip
        self.stream.append(item)
        if transaction.held >> shard.partition & 1:
            self._held.append(item)
            return
        for earlier in [held for held in self._held if held.shard == shard]:
            self._held.remove(earlier)
            self._append(earlier, null_first=False)
        self._append(item, null_first=False)

    def _append(self, item: Item, *, null_first: bool) -> None:
        now = self._clock()
        log = self._broker.logs[item.shard]
        self.sent_at.setdefault(item.index, now)
        self.delivered[item.shard].append((log.end, item))
        key, value, headers = render(item, self.style, null_first=null_first)
        log.append(key, value, headers, timestamp=now // 1000)

    def lose(self, lost: Callable[[Shard, int], bool]) -> Sequence[Item]:
        """Records of the present logs that are gone: they are taken out of `delivered`."""
        gone: list[Item] = []
        for shard, entries in self.delivered.items():
            since = self.since[shard]
            gone += [item for offset, item in entries[since:] if lost(shard, offset)]
            entries[since:] = [(offset, item) for offset, item in entries[since:] if not lost(shard, offset)]
        return gone


def _key(table: str, key: int) -> dict[str, str]:
    return {"area": f'"{key}:\\\\"', "no": str(key)} if table == _COMPOSITE else {"id": str(key)}


def _garbage(row: Row, table: str, key: int) -> Row:
    """The row before as the default replica identity has it: nothing but the key is true."""
    return {**dict.fromkeys(row, "null"), "note": '""', **_key(table, key)}
