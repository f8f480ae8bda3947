"""Our own programs as services: the worker and the simulator."""

import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from signal import SIGINT

from msr_local import rest
from msr_local.process import Service, run_to_end


class Worker(Service):
    """One worker, started through the `faust` command line."""

    def __init__(
        self,
        name: str,
        root: Path,
        port: int,
        settings: Mapping[str, str],
        metrics_port: int,
        halt: threading.Event | None = None,
    ) -> None:
        """Describe a worker.

        Args:
            name: What it is called, `worker-1` for the first.
            root: The stack's folder.
            port: Where its API listens.
            settings: Environment variables that it is set up with.
            metrics_port: Where its metrics are read.
            halt: Set by somebody who no longer wants to wait.
        """
        super().__init__(name, root, halt)
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.settings = {"METRICS_PORT": str(metrics_port), **settings}
        self.metrics_url = f"http://127.0.0.1:{metrics_port}/metrics"

    def command(self) -> list[str]:
        """The faust of this virtual environment."""
        faust = Path(sys.executable).with_name("faust")
        return [str(faust), "-A", "msr_stream.app", "--loop", "uvloop", "worker", "-l", "info"]

    def environment(self) -> dict[str, str]:
        """Its settings, a port and a folder of its own."""
        own = {"APP_PORT": str(self.port), "DATA_DIR": str(self.home / "data"), "WORKER_NAME": self.name}
        return {**own, "PYTHONUNBUFFERED": "1", **self.settings}

    def ready(self) -> bool:
        """Whether its readiness probe is content."""
        return rest.request("GET", f"{self.url}/readyz", limit=5)[0] == 200

    def get(self, target: str, token: str | None = None) -> int:
        """The status of one request to its API; 0 while nobody listens.

        Args:
            target: Path and query.
            token: Who asks.
        """
        return rest.request("GET", self.url + target, token=token, limit=30)[0]


class Simulator(Service):
    """The application whose rows are recorded: it writes to the source database until it is stopped."""

    stop_signal = SIGINT

    def __init__(self, root: Path, dsn: str, rate: int | None = None, halt: threading.Event | None = None) -> None:
        super().__init__("simulator", root, halt)
        self._dsn = dsn
        self._rate = rate

    def command(self) -> list[str]:
        """The simulator at its rate."""
        rate = [] if self._rate is None else ["--rate", str(self._rate)]
        return [sys.executable, "-m", "msr_local.simulator", "--dsn", self._dsn, *rate]

    def ready(self) -> bool:
        """It answers nobody; that it lives is all there is to see."""
        return self.alive

    def set_up(self) -> None:
        """Create its schema and its first rows, unless they are there."""
        self.home.mkdir(parents=True, exist_ok=True)
        run_to_end([sys.executable, "-m", "msr_local.simulator", "--dsn", self._dsn, "--setup"], self.home)
