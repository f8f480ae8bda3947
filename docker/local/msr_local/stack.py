"""All services together: what `make demo` starts, and what the tests start and break."""

import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msr_local import connect, wiring
from msr_local.connect import Connect
from msr_local.errors import LocalError
from msr_local.java import Jars
from msr_local.kafka import Kafka
from msr_local.order import stop_together
from msr_local.ports import Ports
from msr_local.postgres import Postgres
from msr_local.process import Service
from msr_local.programs import Simulator, Worker
from msr_local.tokens import Tokens
from msr_local.waiting import wait_until

PROJECT = Path(__file__).resolve().parents[3]
DEFAULT_ROOT = PROJECT / ".local"


class Stack:
    """PostgreSQL, Kafka, Connect, workers and the simulator in one folder.

    `start()` starts all of it; a test may call `start_services()`, `capture()` and `add_worker()` instead.
    Nothing is restarted that ends: that is the supervisor's.

    Attributes:
        root: The folder with everything that belongs to it.
        ports: Where the services listen.
        tokens: The four people's tokens, and more.
        workers: Those that were added and not removed, running or not.
    """

    def __init__(
        self,
        root: Path = DEFAULT_ROOT,
        *,
        ports: Ports | None = None,
        workers: int = 1,
        simulator: bool = False,
        rate: int | None = None,
        prefix: str = "demo",
        partitions: int = 4,
        worker_settings: Mapping[str, str] | None = None,
        jars: Path = DEFAULT_ROOT / "kafka",
        halt: threading.Event | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Describe a stack; nothing is started yet.

        Args:
            root: Its folder; a second stack on the same folder continues with the same data.
            ports: Where its services listen; unused ones when not given.
            workers: How many `start` starts.
            simulator: Whether `start` starts it.
            rate: Changes per second that the simulator makes, if not its default.
            prefix: The name of the source, first part of its topics' names.
            partitions: Of each CDC topic.
            worker_settings: Environment variables for every worker.
            jars: The folder that Maven fills, shared by all stacks of a checkout.
            halt: When set, whatever waits in `start` gives up.
            tell: Gets a line when a part of it is ready.
        """
        self.root = root.resolve()
        self.ports = ports or Ports.unused()
        self.prefix = prefix
        self.partitions = partitions
        self.jars = Jars(jars.resolve())
        self.tokens = Tokens(self.root)
        self.postgres = Postgres(self.root, self.ports.postgres, halt)
        self.kafka = Kafka(self.root, self.ports.kafka, self.ports.kafka_controller, self.jars, halt)
        self.connect = Connect(self.root, self.ports.connect, self.kafka.brokers, self.jars, halt)
        self.simulator = Simulator(self.root, self.postgres.dsn("source", "app"), rate, halt)
        self.workers: list[Worker] = []
        self._worker_count = workers
        self._worker_settings = dict(worker_settings or {})
        self._with_simulator = simulator
        self._halt = halt
        self._tell = tell

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def source_dsn(self) -> str:
        """The database that is recorded, as a user who may do anything there."""
        return self.postgres.dsn("source")

    @property
    def history_dsn(self) -> str:
        """The database that the recording lies in, as its owner."""
        return self.postgres.dsn("history", "aoh_msr_user")

    def start(self, limit: float = 120.0) -> None:
        """Start everything and wait until all of it answers.

        Args:
            limit: Seconds that each part may take.
        """
        self.start_services(limit)
        if self._with_simulator:
            self.simulator.set_up()
        workers = [self.add_worker(wait=False) for _ in range(self._worker_count)]
        self.capture(limit)
        for worker in workers:
            worker.wait_ready(limit)
            self._tell(f"{worker.name} answers on port {worker.port}")
        if self._with_simulator:
            self.simulator.start()
            self._tell("the simulator writes to the source database")

    def start_services(self, limit: float = 120.0) -> None:
        """Start PostgreSQL, Kafka and Connect side by side, and wait until they answer."""
        if not self.jars.is_complete():
            self._tell("Maven brings Kafka and Debezium, this once")
            self.jars.fetch(self._halt)
        self.tokens.ensure()
        services: list[Service] = [self.postgres, self.kafka, self.connect]
        for service in services:
            service.start()
        for service in services:
            service.wait_ready(limit)
            self._tell(f"{service.name} answers")

    def capture(self, limit: float = 120.0) -> None:
        """Set up the source database, register the connector, and wait until it reads the log."""
        connect.prepare_source(self.postgres, self.root)
        connect.register(self.connect, self.postgres, self.kafka.brokers, self.prefix, self.partitions)
        self.wait_capturing(limit)

    def wait_capturing(self, limit: float = 120.0) -> None:
        """Wait until Debezium reads the source's log, after a restart of Connect for instance."""
        wait_until(
            lambda: connect.is_capturing(self.postgres),
            limit,
            f"Debezium reads the source's log (see {self.connect.log_path})",
            self._halt,
        )
        self._tell("Debezium captures the source database")

    def wait_answering(self, limit: float = 120.0) -> None:
        """Wait until the first worker answers what the world looks like now."""
        token = self.tokens.ensure()["alice"]
        worker = self.workers[0]
        status = 0

        def answers() -> bool:
            nonlocal status
            status = worker.get("/replay/state", token)
            return status == 200

        try:
            wait_until(answers, limit, f"the first state (see {worker.log_path})", self._halt, every=0.25)
        except LocalError as error:
            raise type(error)(f"{error}; its last status was {status}") from error

    def add_worker(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        port: int | None = None,
        wait: bool = True,
        limit: float = 60.0,
    ) -> Worker:
        """Start one more worker.

        Args:
            settings: Environment variables for this one, such as FAULT_POINT.
            port: Where its API listens; the next one when not given.
            wait: Whether to wait until it is ready.
            limit: Seconds to wait.
        """
        taken = {worker.port for worker in self.workers}
        free = next(number for number in range(100) if self.ports.app + number not in taken)
        port = port or self.ports.app + free
        name = f"worker-{free + 1}"
        own = {**wiring.worker_settings(self), **self._worker_settings, **(settings or {})}
        worker = Worker(name, self.root, port, own, self.ports.metrics + free, self._halt)
        self.workers.append(worker)
        worker.start()
        if wait:
            worker.wait_ready(limit)
        return worker

    def remove_worker(self, worker: Worker) -> None:
        """Stop a worker in order, for good."""
        worker.stop()
        self.workers.remove(worker)

    def stop(self) -> None:
        """End everything: first who uses the others, all at once, then Kafka and PostgreSQL."""
        for group in ([self.simulator, *self.workers, self.connect], [self.kafka, self.postgres]):
            stop_together(group)
        self.workers.clear()

    def clean(self) -> None:
        """Remove the folder with everything in it."""
        self.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    def running(self) -> list[Service]:
        """Every service that was started, whether it lives or not."""
        services: list[Service] = [self.postgres, self.kafka, self.connect, *self.workers, self.simulator]
        return [service for service in services if service.was_started]

    def endpoints(self) -> dict[str, Any]:
        """Where everything is."""
        return wiring.endpoints(self)
