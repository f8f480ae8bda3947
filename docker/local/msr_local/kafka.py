"""Kafka: one broker, and the topics that must be there before anybody asks for them."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from string import Template
from typing import Any, TypeVar

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from msr_local.errors import LocalError
from msr_local.java import Jars
from msr_local.ports import is_listening
from msr_local.process import Service, run_to_end

CONFIG = Path(__file__).parent.parent / "config" / "kafka.properties"

CLUSTER = "bXNyLWxvY2FsLXN0YWNrLg"  # a UUID in base64, as Kafka wants it

SIGNALS = "msr.debezium_adhoc_snapshots"  # Debezium reads it from exactly one partition, and needs it at its start
NOTIFICATIONS = "msr.debezium_notifications"
DEAD_LETTERS = "msr.dead_letter"
TOPICS: dict[str, dict[str, str]] = {
    SIGNALS: {},
    NOTIFICATIONS: {},
    DEAD_LETTERS: {"max.message.bytes": str(32 * 1024 * 1024)},
}

T = TypeVar("T")


class Kafka(Service):
    """The broker; its data stays in `broker/data` of the stack's folder."""

    def __init__(
        self,
        root: Path,
        port: int,
        controller_port: int,
        jars: Jars,
        halt: threading.Event | None = None,
    ) -> None:
        super().__init__("kafka", root, halt)
        self.home = root / "broker"
        self.port = port
        self.controller_port = controller_port
        self.data = self.home / "data"
        self._jars = jars
        self._config = self.home / "kafka.properties"
        self._has_topics = False

    @property
    def brokers(self) -> str:
        """The address for clients."""
        return f"127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Write the settings, and format the data folder the first time."""
        values = {"KAFKA_PORT": self.port, "CONTROLLER_PORT": self.controller_port, "DATA": self.data}
        self._config.write_text(Template(CONFIG.read_text()).safe_substitute(values))
        self._has_topics = False
        if (self.data / "meta.properties").exists():
            return
        arguments = ["format", "-t", CLUSTER, "-c", str(self._config), "--ignore-formatted"]
        run_to_end(self._jars.java("kafka.tools.StorageTool", *arguments, heap="128m"), self.home)

    def command(self) -> list[str]:
        """The broker itself."""
        return self._jars.java("kafka.Kafka", str(self._config), heap="384m")

    def ready(self) -> bool:
        """Whether it answers; the first time this also creates the topics."""
        if not is_listening(self.port):
            return False
        try:
            if not self._has_topics:
                self.ensure_topics()
                self._has_topics = True
            else:
                self.topics()
        except (KafkaError, OSError, TimeoutError):
            return False
        return True

    def topics(self) -> list[str]:
        """The names of all topics."""
        return sorted(self.administer(lambda admin: admin.list_topics()))

    def ensure_topics(self) -> None:
        """Create those of our topics that do not exist, with one partition each."""

        async def create(admin: AIOKafkaAdminClient) -> None:
            known = set(await admin.list_topics())
            missing = [
                NewTopic(name, num_partitions=1, replication_factor=1, topic_configs=settings)
                for name, settings in TOPICS.items()
                if name not in known
            ]
            if not missing:
                return
            answer = await admin.create_topics(missing)
            refused = [error for error in answer.topic_errors if error[1] not in {0, 36}]  # 36: exists by now
            if refused:
                raise LocalError(f"the broker refused to create topics: {refused}")

        self.administer(create)

    def administer(self, action: Callable[[Any], Awaitable[T]]) -> T:
        """Do something with an admin client; works beside a running event loop too.

        Args:
            action: Gets the started client.
        """

        async def session() -> T:
            admin = AIOKafkaAdminClient(bootstrap_servers=self.brokers, request_timeout_ms=10000)
            try:
                await admin.start()
                return await action(admin)
            finally:
                await admin.close()

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, session()).result()
