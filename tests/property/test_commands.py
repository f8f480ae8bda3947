"""Random truncates, and rows that vanish unseen, through the real recorder: all as a naive fold of them has it."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from msr_local.postgres import Postgres

from msr_stream.recording.notices import Notice
from msr_stream.recording.progress import Shard
from msr_stream.store.history import History
from msr_stream.store.notices import Notices, requested
from msr_stream.store.replay import Replay
from msr_stream.testing import MemoryBroker
from tests.property.answers import events, folded, state
from tests.property.conftest import NOW, chosen, opened
from tests.property.rig import Base, Clock, Worker, leftovers
from tests.property.world import PATIENCE

#: Table to topic: two tables share one.
TABLES = {"s.t": ("d.s.t", 2), "s.u": ("d.s.t", 2), "s.w": ("d.s.w", 3)}
TOPICS = dict(TABLES.values())
SHARDS = [Shard(topic, number) for topic, count in TOPICS.items() for number in range(count)]

_tables = st.sampled_from(list(TABLES))
_steps = st.one_of(
    *[st.tuples(st.just("put"), _tables, st.integers(0, 5))] * 4,
    st.tuples(st.just("delete"), _tables, st.integers(0, 5)),
    *[st.tuples(st.just("truncate"), st.sets(_tables, min_size=1), st.integers(0, 2))] * 2,
    st.tuples(st.just("vanish"), _tables, st.integers(0, 5)),
    st.tuples(st.just("snapshot"), st.sets(_tables, min_size=1), st.just(0)),
    st.tuples(st.just("pieces"), st.sets(_tables, min_size=1), st.integers(0, 2)),
    st.tuples(st.just("freeze"), st.sampled_from(SHARDS), st.integers(0, 1)),
    st.tuples(st.just("thaw"), st.just(0), st.just(0)),
    st.tuples(st.just("again"), st.integers(1, 12), st.just(0)),
    st.tuples(st.just("kill"), st.integers(0, 1), st.just(0)),
    st.tuples(st.just("wait"), st.sampled_from([1, 5, 30]), st.just(0)),
    st.tuples(st.just("read"), st.just(0), st.just(0)),
)
_histories = st.tuples(
    st.lists(_steps, max_size=50), st.integers(1, 2), st.lists(st.sampled_from([1, 2, 5, 100]), min_size=1, max_size=3)
)


class Play:
    """One example: a source with its capture, the broker and the workers.

    Attributes:
        rows: what the source holds.
        expected: each entity's events in order, each with whether it may be missing: a truncate that is read only
            after what followed it in another shard ends nothing there that lives again.
    """

    def __init__(self, base: Base, workers: int, lengths: list[int]) -> None:
        self.base, self.clock, self.broker = base, Clock(NOW), MemoryBroker()
        self.count, self.lengths = workers, lengths
        self.workers: list[Worker] = []
        self.rows: dict[tuple[str, int], int] = {}
        self.expected: dict[tuple[str, int], list[tuple[str, int | None]]] = defaultdict(list)
        self.sent: list[tuple[Shard, bytes | None, bytes]] = []
        self.lsn, self.vanished = 100, False
        self.replay = Replay(base.settings, base.databases[0], self.clock)
        self.notices = Notices(base.databases[-1])
        self.kept: list[tuple[int, Any]] = []

    async def play(self, steps: list[tuple[str, Any, Any]]) -> None:
        """All steps, then until everything is recorded and settled."""
        await self.base.empty()
        for topic, partitions in TOPICS.items():
            await History(self.base.databases[0]).register(topic, "d", partitions)
        try:
            for number in range(self.count):
                await self.start(number)
            for what, one, other in steps:
                await self.step(what, one, other)
                for worker in self.workers:
                    worker.feed.wake()
                await asyncio.sleep(0)
            if self.vanished:
                await self.step("snapshot", set(TABLES), 0)
            self.thaw()
            await self.finish()
        finally:
            for worker in self.workers:
                await worker.stop(kill=False)
            await leftovers()
        assert not [failure for worker in self.workers for failure in worker.failures]

    async def start(self, number: int) -> None:
        """A worker that believes that it owns everything."""
        worker = Worker(self.base, self.base.databases[number], self.broker, self.clock)
        self.workers.insert(number, worker)
        await worker.start(dict(TOPICS), self.lengths, 1000, number * 2)

    async def step(self, what: str, one: Any, other: Any) -> None:
        """Do one."""
        if what in ("put", "delete", "vanish"):
            self.change(what, one, other)
        elif what == "truncate":
            self.truncate(one, other)
        elif what in ("snapshot", "pieces"):
            await (self.snapshot(one) if what == "snapshot" else self.pieces(one, other))
        elif what == "freeze":
            await self.workers[other % self.count].recorder.revoke([one])
        elif what == "thaw":
            self.thaw()
        elif what == "again":
            for shard, key, value in self.sent[-one:]:
                self.append(shard, key, value)
        elif what == "kill":
            await self.workers[one % self.count].stop(kill=True)
            del self.workers[one % self.count]
            await self.start(one % self.count)
        elif what == "wait":
            self.clock.now += one * 10_000
            await asyncio.sleep(one / 1000)
        else:
            await self.read()

    def thaw(self) -> None:
        """Every worker records every shard."""
        for worker in self.workers:
            worker.assign(dict(TOPICS))

    def change(self, what: str, table: str, key: int) -> None:
        """Change a row; one that vanishes is deleted while nothing captures."""
        there = (table, key) in self.rows
        if what != "put":
            if not there:
                return
            del self.rows[table, key]
            self.vanished |= what == "vanish"
        if what == "vanish":
            return
        op = "d" if what == "delete" else "u" if there else "c"
        lsn = self.send(op, table, key)
        if what == "put":
            self.rows[table, key] = lsn
        self.expected[table, key].append((op, lsn))

    def truncate(self, tables: set[str], partition: int) -> None:
        """Truncate tables in one statement: a record each, of one number."""
        self.lsn += 10
        for table in sorted(tables):
            topic, count = TABLES[table]
            self.write("t", table, Shard(topic, partition % count), None, self.lsn)
            self.gone(table, {entity for entity in self.rows if entity[0] == table}, self.lsn)
            self.rows = {entity: lsn for entity, lsn in self.rows.items() if entity[0] != table}

    def gone(self, table: str, there: set[tuple[str, int]], lsn: int | None) -> None:
        """A command ends whatever lives of a table in the history, also what vanished before."""
        for entity, log in self.expected.items():
            if entity[0] == table and log and log[-1][0] not in "dD" and (lsn is not None or entity not in there):
                log.append(("D", lsn))

    async def snapshot(self, tables: set[str]) -> None:
        """Read tables whole, and tell so."""
        begun = self.clock()
        at = self.clock()
        told: list[tuple[str, str | None, int | None]] = [("STARTED", None, None)]
        for table in sorted(tables):
            there = {entity for entity in self.rows if entity[0] == table}
            self.gone(table, there, None)
            for entity in sorted(there):
                topic, count = TABLES[table]
                self.write("r", table, Shard(topic, entity[1] % count), entity[1], self.rows[entity], at)
                self.expected[entity].append(("r", None))
            told.append(("TABLE_SCAN_COMPLETED", table, len(there)))
        await self.tell(begun, told)

    async def pieces(self, tables: set[str], shift: int) -> None:
        """Ask for tables piece by piece: rows that change or go meanwhile are not sent as read; clocks differ."""
        begun = self.clock()
        await requested(self.base.connection, f"request {begun}", "d")
        told: list[tuple[str, str | None, int | None]] = [("STARTED", None, None)]
        for table in sorted(tables):
            there = {entity for entity in self.rows if entity[0] == table}
            self.gone(table, there, None)
            for entity in sorted(there):
                meanwhile = ("put", "delete", None)[(entity[1] + shift) % 3]
                if meanwhile is not None:
                    self.change(meanwhile, *entity)
                    continue
                topic, count = TABLES[table]
                at = self.clock() - shift * 1_000_000
                self.write("r", table, Shard(topic, entity[1] % count), entity[1], self.rows[entity], at, "incremental")
                self.expected[entity].append(("r", None))
            told.append(("TABLE_SCAN_COMPLETED", table, len(there)))
        await self.tell(begun, told, f"request {begun}")

    async def tell(
        self, begun: int, told: list[tuple[str, str | None, int | None]], request: str | None = None
    ) -> None:
        """What the capture tells of a snapshot."""
        for number, (kind, name, rows) in enumerate([*told, ("COMPLETED", None, None)]):
            await self.notices.add(Notice(f"{begun} {number}", "d", kind, name, rows, begun, request), name)
        # The history database's clock is ours here, and what is sent from now on comes after the snapshot.
        await self.base.connection.execute(
            "UPDATE snapshot_notice SET created_at = $1 WHERE told_at = $2", self.clock(), begun
        )

    def send(self, op: str, table: str, key: int) -> int:
        """A row's change."""
        self.lsn += 10
        topic, count = TABLES[table]
        self.write(op, table, Shard(topic, key % count), key, self.lsn)
        return self.lsn

    def write(self, op: str, table: str, shard: Shard, key: int | None, lsn: int, at: int | None = None,
              snapshot: str = "true") -> None:  # fmt: skip
        """A record as Debezium writes it."""
        schema, name = table.split(".")
        source: dict[str, Any] = {
            "name": "d", "schema": schema, "table": name, "snapshot": "false" if at is None else snapshot,
            "ts_us": at or self.clock(), "lsn": lsn, "txId": lsn, "sequence": json.dumps([str(lsn - 1), str(lsn)]),
        }  # fmt: skip
        if snapshot == "incremental":
            source |= {"lsn": None, "txId": None}
        row = None if key is None else {"id": f"{table} {key}", "lsn": lsn}
        value = {"before": row if op == "d" else None, "after": None if op in "dt" else row, "source": source, "op": op}
        record = shard, None if row is None else json.dumps({"id": row["id"]}).encode(), json.dumps(value).encode()
        if op != "r":
            self.sent.append(record)
        self.append(*record)

    def append(self, shard: Shard, key: bytes | None, value: bytes) -> None:
        """It reaches the broker."""
        self.broker.logs[shard].append(key, value, timestamp=self.clock() // 1000)

    async def read(self) -> None:
        """The state at S, and that it follows from the one before and the events between."""
        if (await self.base.connection.fetchval("SELECT settled_instant()")) is None:
            return
        async with self.replay.snapshot("t1", None) as snapshot:
            at = snapshot.resolve(None)
            found = await state(snapshot, at)
            for earlier, kept in self.kept[-3:]:
                assert at >= earlier, "S went back"
                assert await state(snapshot, earlier) == kept, "an earlier answer is another one now"
                assert folded(kept, await events(snapshot, earlier, at)) == found
            self.kept.append((at, found))

    async def finish(self) -> None:
        """Wait until everything is recorded, applied, completed and settled."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        self.clock.now += 1_000_000
        wanted = self.clock()
        while True:
            self.clock.now += 100_000
            await self.notices.complete()
            left = await self.base.connection.fetchval(
                "SELECT (SELECT count(*) FROM table_command_due) + (SELECT count(held_until) FROM shard)"
                " + (SELECT count(*) FROM snapshot_notice WHERE kind = 'COMPLETED' AND outcome IS NULL)"
            )
            settled = await self.base.connection.fetchval("SELECT settled_instant()")
            if left or not await self.flushed():
                wanted = self.clock()  # what is applied last may lie just behind the settled instant
            elif settled is not None and settled >= wanted:
                break
            assert loop.time() < deadline, f"not in time: {left} left, settled {settled}, wanted {wanted}"
            await asyncio.sleep(0.01)
        await self.read()

    async def flushed(self) -> bool:
        """Whether every log is recorded to its end."""
        found = await self.base.connection.fetch("SELECT topic, partition, flushed_offset FROM shard")
        return all(
            row["flushed_offset"] == self.broker.logs[Shard(row["topic"], row["partition"])].end - 1 for row in found
        )

    async def check(self) -> None:
        """The newest state is the source's, and each entity's events are those that must be."""
        _, newest = self.kept[-1]
        found = {entity: int(row["lsn"]) for (_, entity), (_, _, row) in newest.items()}
        assert found == {f"{table} {key}": lsn for (table, key), lsn in self.rows.items()}
        recorded: dict[str, list[tuple[str, int | None]]] = defaultdict(list)
        for row in await self.base.connection.fetch(
            "SELECT op, entity_id, source_lsn FROM cdc_event ORDER BY position"
        ):
            recorded[row["entity_id"]].append((row["op"], row["source_lsn"]))
        assert recorded.keys() == {f"{table} {key}" for (table, key), log in self.expected.items() if log}
        for (table, key), log in self.expected.items():
            assert matches(recorded[f"{table} {key}"], log), (
                f"{table} {key}: {recorded[f'{table} {key}']}, wanted {log}"
            )
        for row in await self.base.connection.fetch(
            "SELECT count(*) AS n, max(position) AS last, count(DISTINCT position) AS positions FROM cdc_event "
            "GROUP BY shard_id"
        ):
            assert row["n"] == row["last"] == row["positions"]


def matches(recorded: list[tuple[str, int | None]], expected: list[tuple[str, int | None]]) -> bool:
    """Whether these are the events.

    A command's delete (`D`) may be missing where the entity lives again after it, and may be a later command's.
    """
    left = list(recorded)
    for number, (op, lsn) in enumerate(expected):
        if left and _is(left[0], op, lsn):
            left.pop(0)
        elif op != "D" or number == len(expected) - 1:
            return False
    return not left


def _is(event: tuple[str, int | None], op: str, lsn: int | None) -> bool:
    if op == "D":
        return event[0] == "d" and (event[1] is None or lsn is None or event[1] >= lsn)
    return event == (op, lsn)


@pytest.fixture(scope="module")
def base(postgres: Postgres, runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Base]:
    yield from opened(postgres, runner, tmp_path_factory.mktemp("commands"), workers=3)


@pytest.mark.timeout(0)
@given(history=_histories)
@profile(chosen, suppress_health_check=list(HealthCheck), report_multiple_bugs=False)
def test_commands_end_what_was_before_them(base: Base, runner: asyncio.Runner, history: Any) -> None:
    steps, workers, lengths = history
    runner.run(_check(base, steps, workers, lengths))


async def _check(base: Base, steps: list[tuple[str, Any, Any]], workers: int, lengths: list[int]) -> None:
    play = Play(base, workers, lengths)
    await play.play(steps)
    await play.check()
