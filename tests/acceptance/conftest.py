"""The whole stack, and a history database on a server of its own that may be restarted while the source goes on."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from msr_local.kafka import SIGNALS
from msr_local.ports import Ports
from msr_local.postgres import Postgres
from msr_local.programs import Worker
from msr_local.rest import request
from msr_local.stack import Stack

from tests.acceptance.api import Api
from tests.acceptance.broker import Broker
from tests.acceptance.verifier import Verifier
from tests.acceptance.workload import Workload, create_tables

#: Of every worker: the server trusts everybody here, so that it may be one that is easily found in a log.
PASSWORD = "correct-horse-battery"


@dataclass
class Scene:
    """What an acceptance test acts in.

    Attributes:
        stack: the services.
        history: the server of the history database.
        workload: the application.
        verifier: compares the two databases.
    """

    stack: Stack
    history: Postgres
    workload: Workload
    verifier: Verifier

    @property
    def tokens(self) -> dict[str, str]:
        """The four people's tokens."""
        return self.stack.tokens.ensure()

    @property
    def history_dsn(self) -> str:
        """The database that the recording lies in."""
        return self.history.dsn("history", "aoh_msr_user")

    @property
    def app_dsn(self) -> str:
        """The source as the application sees it."""
        return self.stack.postgres.dsn("source", "app")

    @property
    def worker(self) -> Worker:
        """The first worker."""
        return self.stack.workers[0]

    @property
    def broker(self) -> Broker:
        """The broker."""
        return Broker(self.stack.kafka.brokers)

    def tell(self, line: str) -> None:
        """Say what was measured: shown by `pytest -rP`, and when a test fails."""
        print(line)

    def query(self, command: str, *parameters: Any) -> list[Any]:
        """Ask the history database."""
        with psycopg.connect(self.history_dsn, autocommit=True) as history:
            return history.execute(command.encode(), parameters).fetchall()

    def write(self, *commands: str) -> None:
        """Change the source as the application, each command a transaction."""
        with psycopg.connect(self.app_dsn, autocommit=True) as source:
            for command in commands:
                source.execute(command.encode())

    def api(self, person: str | None = "alice") -> Api:
        """The API of the first worker."""
        return Api(self.worker.port, self.tokens[person] if person is not None else None)

    def rows(self, table: str, person: str = "alice") -> dict[str, dict[str, Any]]:
        """The newest state of a table by entity; none while that is not answered."""
        answer = self.api(person).state()
        events = answer.rows if answer.status == 200 else []
        return {event["entity_id"]: event["entity_state"] for event in events if event["table_name"] == table}

    def request_snapshot(self, table: str) -> None:
        """Ask Debezium for a table, as an operator does."""
        data = {"data-collections": [table], "type": "blocking"}
        signal = {"id": "acceptance", "type": "execute-snapshot", "data": data}
        self.broker.produce(SIGNALS, [(self.stack.prefix.encode(), json.dumps(signal).encode(), [])])

    def log(self, worker: Worker | None = None) -> str:
        """What a worker has logged."""
        return (worker or self.worker).log_path.read_text(errors="replace")

    def condition(self) -> str:
        """How every service is, what it said last or why it ended, and what the connectors say of themselves."""
        services = [*self.stack.running(), self.history]
        lines = [f"{one.name} lives: {one.last_words()}" for one in services if one.alive]
        lines += [f"{one.name} is gone:\n{_end(one.log_path)}" for one in services if not one.alive]
        _, connectors = request("GET", f"http://127.0.0.1:{self.stack.ports.connect}/connectors?expand=status")
        return "\n".join([*lines, json.dumps(connectors, indent=1)])

    def only_worker(self) -> Worker:
        """One worker that lives, answers and has no fault to come, whatever the last test has left."""
        for worker in self.stack.workers[1:]:
            self.stack.remove_worker(worker)
        for worker in list(self.stack.workers):
            if "FAULT_POINT" in worker.settings:
                self.stack.remove_worker(worker)
        if not self.stack.workers:
            return self.stack.add_worker()
        self.worker.start()  # unless it lives
        self.worker.wait_ready()
        return self.worker


def _end(log: Path) -> str:
    """A log's last lines: why its service ended is among them."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-80:])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure tells how the stack was: it is gone when somebody looks."""
    report = yield
    scene = getattr(item, "funcargs", {}).get("scene")
    if report.failed and scene is not None:
        report.sections.append(("The stack", scene.condition()))
    return report


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    root: Path = tmp_path_factory.mktemp("acceptance")
    history = Postgres(root / "history", Ports.unused().postgres)
    settings = {
        "DATABASE_PORT": str(history.port),
        "LOG_FORMAT": "text",
        "GROUP_SESSION_TIMEOUT": "5s",
        "TENANT_COLUMNS": "owners.boat=owner",
        "DATABASE_PASSWORD": PASSWORD,
    }
    stack = Stack(root / "stack", worker_settings=settings)
    try:
        history.start()
        history.wait_ready()
        stack.start()
        dsn = stack.postgres.dsn("source", "app")
        create_tables(dsn)
        port, tokens = stack.workers[0].port, stack.tokens.ensure()
        viewers = {"t1": Api(port, tokens["alice"]), "t2": Api(port, tokens["bob"])}
        verifier = Verifier(dsn, history.dsn("history", "aoh_msr_user"), viewers)
        yield Scene(stack, history, Workload(dsn), verifier)
    finally:
        stack.stop()
        history.stop()
