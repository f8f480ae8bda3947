"""TimescaleDB, for tests: the real extension, run as WebAssembly in Node by `timescale/server.mjs`."""

import fcntl
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

import psycopg

from msr_local.errors import LocalError
from msr_local.ports import is_listening
from msr_local.postgres import ROLES
from msr_local.process import Service, run_to_end

SOURCE = Path(__file__).parent.parent / "timescale"
FILES = ("package.json", "server.mjs")
DATABASE = "template1"  # the only one that is served, whatever is asked for


def find_program(name: str) -> str:
    """Node or npm of the PATH."""
    found = shutil.which(name)
    if found is None:
        raise LocalError(f"{name} is missing: install Node.js (the packages are called nodejs and npm)")
    return found


@dataclass(frozen=True)
class Distribution:
    """The folder that npm fills with the server."""

    folder: Path

    def fetch(self) -> None:
        """Let npm fill the folder, unless it holds what is asked for; two that ask at once wait for one another."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock.fileno(), fcntl.LOCK_EX)
            stamp, wanted = self.folder / "stamp", (SOURCE / "package.json").read_text()
            for name in FILES:
                shutil.copy(SOURCE / name, self.folder / name)
            if stamp.exists() and stamp.read_text() == wanted:
                return
            npm = [find_program("npm"), "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
            run_to_end(npm, self.folder)
            stamp.write_text(wanted)


class Timescale(Service):
    """One server: a single connection at a time, its data in memory.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, root: Path, port: int, distribution: Distribution, halt: threading.Event | None = None) -> None:
        super().__init__("timescale", root, halt)
        self.port = port
        self._distribution = distribution

    def command(self) -> list[str]:
        """The server on its port."""
        return [find_program("node"), str(self._distribution.folder / "server.mjs"), str(self.port)]

    def ready(self) -> bool:
        """Whether it listens: it begins to when its database is there."""
        return is_listening(self.port)

    def wait_ready(self, limit: float = 60.0) -> None:
        """Wait until it answers, and make the roles that a history needs."""
        super().wait_ready(limit)
        with self.connect() as connection:
            known = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
            for role, rights in ROLES.items():
                if role not in known:
                    connection.execute(f"CREATE ROLE {role} {rights}".encode())

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """The superuser's connection in autocommit mode; nobody else is served until it is closed."""
        dsn = f"postgresql://postgres@127.0.0.1:{self.port}/{DATABASE}?sslmode=disable&gssencmode=disable"
        return psycopg.connect(dsn, autocommit=True, connect_timeout=10)
