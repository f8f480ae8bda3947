"""Kafka Connect with Debezium, and the registration of its connector."""

import sys
import threading
from pathlib import Path
from string import Template
from typing import Any

from msr_local import rest
from msr_local.errors import LocalError
from msr_local.java import Jars
from msr_local.postgres import Postgres
from msr_local.process import Service, run_to_end
from msr_local.waiting import wait_until
from msr_stream.source.connector import render

CONFIG = Path(__file__).parent.parent / "config" / "connect.properties"
TEMPLATE = Path(__file__).parent.parent.parent / "connect" / "postgres-source.json"

SLOT = "msr_slot"
PUBLICATION = "msr_publication"
CAPTURE_ROLE = "debezium"


class Connect(Service):
    """The Connect worker; connectors and offsets are kept in Kafka, so it has no data of its own."""

    def __init__(self, root: Path, port: int, brokers: str, jars: Jars, halt: threading.Event | None = None) -> None:
        super().__init__("connect", root, halt)
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._brokers = brokers
        self._jars = jars
        self._config = self.home / "connect.properties"

    def prepare(self) -> None:
        """Write the settings."""
        values = {"KAFKA_BROKERS": self._brokers, "CONNECT_PORT": self.port, "PLUGINS": self._jars.plugins}
        self._config.write_text(Template(CONFIG.read_text()).safe_substitute(values))

    def command(self) -> list[str]:
        """The worker in distributed mode."""
        main = "org.apache.kafka.connect.cli.ConnectDistributed"
        return self._jars.java(main, str(self._config), heap="512m")

    def ready(self) -> bool:
        """Whether its REST interface answers; of its connectors that says nothing, see `is_capturing`."""
        return rest.request("GET", f"{self.url}/connectors")[0] == 200

    def put(self, name: str, config: dict[str, str]) -> None:
        """Create or change a connector; the same settings again change nothing.

        Args:
            name: The connector.
            config: Its settings.
        """
        url = f"{self.url}/connectors/{name}/config"
        answers: list[tuple[int, Any]] = []

        def accepted() -> bool:
            answers.append(rest.request("PUT", url, config, limit=5))
            status, answer = answers[-1]
            if status == 400:
                raise LocalError(f"Connect refused the connector {name}: {_words(answer)}")
            return status in {200, 201}

        try:
            wait_until(accepted, 60, f"Connect takes the connector {name}", self._halt, every=0.5)
        except LocalError as error:
            raise LocalError(f"{error} ({_words(answers[-1][1]) if answers else 'no answer'})") from error

    def delete(self, name: str) -> None:
        """Remove a connector; its slot stays."""
        rest.request("DELETE", f"{self.url}/connectors/{name}")


def prepare_source(postgres: Postgres, folder: Path) -> None:
    """Set the source database up for the capture, with the command that operators use."""
    options = ["--dsn", postgres.dsn("source"), "--publication", PUBLICATION, "--capture-role", CAPTURE_ROLE]
    run_to_end([sys.executable, "-m", "msr_stream", "source", "prepare", *options], folder)


def register(connect: Connect, postgres: Postgres, brokers: str, prefix: str, partitions: int) -> None:
    """Have a source database captured.

    Args:
        connect: Where the connector runs.
        postgres: The server with the database `source`.
        brokers: Kafka, for the signals.
        prefix: First part of the topics' names, and the connector's name.
        partitions: Of each CDC topic.
    """
    values = {
        "NAME": prefix,
        "TOPIC_PREFIX": prefix,
        "DATABASE_HOST": "127.0.0.1",
        "DATABASE_PORT": str(postgres.port),
        "DATABASE_NAME": "source",
        "DATABASE_USER": CAPTURE_ROLE,
        "DATABASE_PASSWORD": CAPTURE_ROLE,
        "KAFKA_BROKERS": brokers,
        "PARTITIONS": str(partitions),
        "SLOT_NAME": SLOT,
        "PUBLICATION_NAME": PUBLICATION,
    }
    connect.put(prefix, render(TEMPLATE.read_text(), values))


def is_capturing(postgres: Postgres) -> bool:
    """Whether the slot is being read: Connect itself says RUNNING from its last life."""
    with postgres.connect("source") as connection:
        query = "SELECT active FROM pg_replication_slots WHERE slot_name = %s"
        row = connection.execute(query, (SLOT,)).fetchone()
    return row is not None and bool(row[0])


def _words(answer: Any) -> str:
    """Connect's message in one line."""
    message = answer.get("message", answer) if isinstance(answer, dict) else answer
    return " ".join(str(message).split())[:500]
