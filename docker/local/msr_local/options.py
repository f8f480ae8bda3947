"""What `make` may be told by the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from msr_local.errors import LocalError
from msr_local.ports import MOST_WORKERS, Ports
from msr_local.stack import DEFAULT_ROOT


@dataclass(frozen=True)
class Options:
    """The variables, read once.

    Attributes:
        root: LOCAL_DIR, the folder for everything.
        ports: APP_PORT, POSTGRES_PORT, KAFKA_PORT, KAFKA_CONTROLLER_PORT, CONNECT_PORT and METRICS_PORT.
        workers: WORKERS, how many to start.
        simulator: SIMULATOR, whether to start it.
        rate: RATE, the changes per second that it makes.
    """

    root: Path
    ports: Ports
    workers: int
    simulator: bool
    rate: int | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the variables; a wrong one is an error that names it."""
        rate = environment.get("RATE")
        return cls(
            root=Path(environment.get("LOCAL_DIR") or DEFAULT_ROOT).resolve(),
            ports=Ports.from_environment(environment),
            workers=_number(environment, "WORKERS", 1, MOST_WORKERS),
            simulator=_number(environment, "SIMULATOR", 1, 1, least=0) == 1,
            rate=None if rate is None else _number(environment, "RATE", 0, 2000),
        )


def _number(environment: Mapping[str, str], name: str, default: int, most: int, least: int = 1) -> int:
    value = environment.get(name, str(default))
    if not value.isdecimal() or not least <= int(value) <= most:
        raise LocalError(f"{name} is {value!r}; it must be a number, {least} to {most}")
    return int(value)
