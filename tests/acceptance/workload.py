"""An application at work: several connections that change the tables of `schema.sql` as real ones do."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
from msr_local.waiting import wait_until
from psycopg import sql

from tests.acceptance import values

Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"

#: What ends a transaction and not the application: two that want the same rows, a key taken in between.
_CLASHES = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.UniqueViolation,
)
_CRAFT, _BERTHS, _BEACONS = 150, 24, 40


class Client:
    """One connection and what it does on it."""

    def __init__(self, connection: Connection, seed: int) -> None:
        self.connection = connection
        self._chance = random.Random(seed)
        self._seed = seed
        self._batches = count(1)
        self._actions: dict[Callable[[], None], int] = {
            self.move_craft: 8,
            self.put_craft: 4,
            self.hand_over_craft: 2,
            self.remove_craft: 1,
            self.put_beacon: 4,
            self.remove_beacon: 1,
            self.put_assignment: 4,
            self.remove_assignment: 2,
            self.put_berth: 2,
            self.swap_berths: 2,
            self.copy_readings: 1,
            self.correct_readings: 1,
            self.remove_readings: 1,
        }

    def transact(self) -> None:
        """One transaction: a few actions, some taken back in part, some altogether."""
        chance = self._chance
        try:
            with self.connection.transaction() as transaction:
                self.connection.execute("SET LOCAL lock_timeout = '500ms'")
                for action in chance.choices(list(self._actions), list(self._actions.values()), k=chance.randint(1, 4)):
                    with self.connection.transaction() as savepoint:
                        action()
                        if chance.random() < 0.1:
                            raise psycopg.Rollback(savepoint)
                    if chance.random() < 0.05:
                        self.connection.execute("SELECT pg_sleep(%s)", [chance.uniform(0, 0.05)])
                if chance.random() < 0.08:
                    raise psycopg.Rollback(transaction)
        except _CLASHES:
            return

    def surely(self, action: Callable[[], None]) -> None:
        """An action within the transaction that is open, again until it does not clash with another client's."""
        while True:
            try:
                with self.connection.transaction():
                    action()
            except _CLASHES:
                continue
            else:
                return

    def move_craft(self) -> None:
        """Several rows at once; their large text is not touched."""
        chosen = self._chance.sample(range(_CRAFT), 4)
        self._do(
            "UPDATE truth.craft SET place = %s, speed = %s, seen = clock_timestamp() WHERE id = ANY (%s)",
            values.document(self._chance), self._chance.uniform(-1e9, 1e9), chosen,
        )  # fmt: skip

    def put_craft(self) -> None:
        """Create or change a row with its large text."""
        self._do(
            "INSERT INTO truth.craft VALUES (%s, %s, %s, %s, 0, now(), %s)"
            " ON CONFLICT (id) DO UPDATE SET name = excluded.name, note = excluded.note",
            self._chance.randrange(_CRAFT), self._chance.choice(values.TENANTS), values.words(self._chance),
            values.document(self._chance), values.large_text(self._chance),
        )  # fmt: skip

    def hand_over_craft(self) -> None:
        """A row moves to the other tenant."""
        self._do(
            "UPDATE truth.craft SET tenant_id = CASE tenant_id WHEN 't1' THEN 't2' ELSE 't1' END WHERE id = %s",
            self._chance.randrange(_CRAFT),
        )

    def remove_craft(self) -> None:
        """Delete a row; its number comes again."""
        self._do("DELETE FROM truth.craft WHERE id = %s", self._chance.randrange(_CRAFT))

    def put_beacon(self) -> None:
        """A row of every type, new or changed."""
        row = {"id": uuid.UUID(int=self._chance.randrange(_BEACONS)), **values.beacon(self._chance)}
        names = [sql.Identifier(name) for name in row]
        changed = [sql.SQL("{0} = excluded.{0}").format(name) for name in self._chance.sample(names[1:], 9)]
        command = sql.SQL("INSERT INTO truth.beacon ({}) VALUES ({}) ON CONFLICT (id) DO UPDATE SET {}").format(
            sql.SQL(", ").join(names),
            sql.SQL(", ").join([sql.Placeholder()] * len(names)),
            sql.SQL(", ").join(changed),
        )
        self.connection.execute(command, list(row.values()))

    def remove_beacon(self) -> None:
        """Delete one."""
        self._do("DELETE FROM truth.beacon WHERE id = %s", uuid.UUID(int=self._chance.randrange(_BEACONS)))

    def put_assignment(self) -> None:
        """A composite key, with characters that are escaped in it."""
        self._do(
            "INSERT INTO truth.assignment VALUES (%s, %s, %s, %s, now())"
            " ON CONFLICT (incident, unit) DO UPDATE SET role = excluded.role, tenant_id = excluded.tenant_id",
            *self._assignment(), self._chance.choice(values.TENANTS), values.words(self._chance),
        )  # fmt: skip

    def remove_assignment(self) -> None:
        """Delete one."""
        self._do("DELETE FROM truth.assignment WHERE incident = %s AND unit = %s", *self._assignment())

    def put_berth(self) -> None:
        """A berth with a large manifest."""
        self._do(
            "INSERT INTO truth.berth VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (code) DO UPDATE SET vessel = excluded.vessel",
            self._berth(), self._chance.choice(values.TENANTS), values.words(self._chance),
            values.large_text(self._chance), self._chance.randbytes(3000),
        )  # fmt: skip

    def swap_berths(self) -> None:
        """A to tmp, B to A, tmp to B: the rows change keys, hence partitions, and take their large values along."""
        one, other, free = self._berth(), self._berth(), f"tmp {self._seed}"
        for old, new in [(one, free), (other, one), (free, other)]:
            self._do("UPDATE truth.berth SET code = %s WHERE code = %s", new, old)

    def copy_readings(self, rows: int | None = None) -> None:
        """COPY a batch."""
        batch = next(self._batches)
        first = self._seed * 10_000_000_000 + batch * 1_000_000
        with self.connection.cursor().copy("COPY truth.reading (id, batch, value, line) FROM STDIN") as copy:
            for number in range(rows or self._chance.randint(5, 40)):
                copy.write_row((first + number, batch, f"{number}.125", f"reading {number} of {batch}"))

    def correct_readings(self) -> None:
        """Change some of the rows that were copied."""
        self._do(
            "UPDATE truth.reading SET value = value + 1 WHERE id / 10000000000 = %s AND id %% 10 = %s",
            self._seed, self._chance.randrange(10),
        )  # fmt: skip

    def remove_readings(self, *, all_of_them: bool = False) -> None:
        """Delete most of them."""
        self._do(
            "DELETE FROM truth.reading WHERE id / 10000000000 = %s AND (%s OR id %% 4 <> 1)", self._seed, all_of_them
        )

    def _do(self, command: str, *parameters: Any) -> None:
        self.connection.execute(command.encode(), parameters)

    def _assignment(self) -> tuple[int, str]:
        unit = self._chance.choice(["one", "a:b", "back\\slash", "both:\\"])
        return self._chance.randrange(10**18, 10**18 + 10), unit

    def _berth(self) -> str:
        return f"berth {self._chance.randrange(_BERTHS)}"


class Workload:
    """Clients side by side, in threads, until told to stop.

    Attributes:
        transactions: how many they have ended.
        failures: what has ended a client; `running` raises it.
    """

    def __init__(self, dsn: str) -> None:
        self.transactions = 0
        self.failures: list[BaseException] = []
        self._dsn = dsn
        self._seeds = count(int(time.time()) % 100_000)
        self._stop = threading.Event()

    @contextmanager
    def running(self, clients: int = 3, pause: float = 0.04) -> Iterator[Workload]:
        """Work while the block lasts.

        Args:
            clients: how many at a time.
            pause: mean seconds between two transactions of one.
        """
        self._stop.clear()
        threads = [threading.Thread(target=self._work, args=(next(self._seeds), pause)) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()
        if self.failures:
            raise self.failures[0]

    def go_on(self, transactions: int, limit: float = 60) -> None:
        """Wait until so many more transactions have ended."""
        wanted = self.transactions + transactions
        wait_until(lambda: self.transactions >= wanted or bool(self.failures), limit, "the workload goes on")

    @contextmanager
    def client(self) -> Iterator[Client]:
        """A client of one's own, for transactions that the test holds in its hands."""
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            yield Client(connection, next(self._seeds))

    def _work(self, seed: int, pause: float) -> None:
        chance = random.Random(-seed)
        try:
            with psycopg.connect(self._dsn, autocommit=True) as connection:
                client = Client(connection, seed)
                while not self._stop.wait(chance.expovariate(1 / pause)):
                    client.transact()
                    self.transactions += 1
        except BaseException as error:
            self.failures.append(error)


def create_tables(dsn: str) -> None:
    """Create the tables and their proof."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(Path(__file__).with_name("schema.sql").read_bytes())
