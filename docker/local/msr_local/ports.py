"""Which ports the services listen on, and whether they are free."""

import os
import random
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Self

from msr_local.errors import LocalError

MOST_WORKERS = 6


@dataclass(frozen=True)
class Ports:
    """One port for each service; the n-th worker listens on `app` + n - 1, its metrics are on `metrics` + n - 1."""

    app: int = 8080
    postgres: int = 55432
    kafka: int = 59092
    kafka_controller: int = 59093
    connect: int = 58083
    metrics: int = 9464

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The fixed ports, each overridden by its variable: APP_PORT, POSTGRES_PORT and so on."""
        given: dict[str, int] = {}
        for field in fields(cls):
            name = variable(field.name)
            value = environment.get(name)
            if value is None:
                continue
            if not value.isdecimal() or not 0 < int(value) < 65536:
                raise LocalError(f"{name} is {value!r}; it must be a port, 1 to 65535")
            given[field.name] = int(value)
        return cls(**given)

    @classmethod
    def unused(cls) -> Self:
        """Ports that nobody listens on now, below the range of outgoing connections."""
        for _ in range(100):
            base = random.randrange(15000, 32000, 16)
            if all(is_free(port) for port in range(base, base + 2 * MOST_WORKERS + 4)):
                others = range(base + MOST_WORKERS, base + MOST_WORKERS + 5)
                return cls(base, *others)
        raise LocalError("no sixteen free ports in a row between 15000 and 32000")

    def check(self, workers: int) -> None:
        """Refuse, in one line that names the variable, a port that somebody else listens on.

        Args:
            workers: How many workers will be started.
        """
        for name, port in self._all(workers):
            if not is_free(port):
                raise LocalError(f"port {port} is taken; set {name} to another one")

    def _all(self, workers: int) -> Iterator[tuple[str, int]]:
        for field in fields(self):
            if field.name not in {"app", "metrics"}:
                yield variable(field.name), getattr(self, field.name)
        for number in range(workers):
            yield variable("app"), self.app + number
            yield variable("metrics"), self.metrics + number


def variable(field: str) -> str:
    """The environment variable that sets a port."""
    return f"{field.upper()}_PORT"


def is_free(port: int) -> bool:
    """Whether one could listen on this port of the loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def is_listening(port: int) -> bool:
    """Whether somebody accepts connections on this port of the loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
