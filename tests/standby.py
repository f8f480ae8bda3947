"""A standby that streams from a local PostgreSQL server, made by pg_basebackup."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import psycopg
from msr_local.ports import Ports
from msr_local.postgres import Postgres
from msr_local.waiting import wait_until


class Standby(Postgres):
    """The replica of a server, made anew in a folder of its own.

    Args:
        root: that folder.
        primary: the server, which runs.
        options: further settings.
    """

    def __init__(self, root: Path, primary: Postgres, **options: str) -> None:
        super().__init__(root, Ports.unused().postgres, binaries=primary._chosen)
        self._primary, self._options = primary, options

    def command(self) -> list[str]:
        given = [f"--{name}={value}" for name, value in self._options.items()]
        return [*super().command(), *given]

    def ready(self) -> bool:
        """Whether it lets one in; roles and databases come from the primary."""
        try:
            self.ask("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def ask(self, statement: str) -> object:
        """The value that a statement gives, run by a superuser in the history database."""
        with self.connect("history") as connection:
            row = connection.execute(statement.encode()).fetchone()
        return row[0] if row is not None else None

    def pause(self) -> None:
        """Replay nothing until `resume`."""
        self.ask("SELECT pg_wal_replay_pause()")
        wait_until(lambda: self.ask("SELECT pg_get_wal_replay_pause_state()") == "paused", 10, "replay is paused")

    def resume(self) -> None:
        """Replay again."""
        self.ask("SELECT pg_wal_replay_resume()")

    def catch_up(self) -> None:
        """Wait until everything is replayed that the primary has written by now."""
        with self._primary.connect("history") as connection:
            row = connection.execute("SELECT pg_current_wal_lsn()").fetchone()
        assert row is not None
        caught_up = f"SELECT pg_last_wal_replay_lsn() >= '{row[0]}'"
        wait_until(lambda: self.ask(caught_up) is True, 30, "the standby has caught up", every=0.02)

    def _create(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        program = [str(self._binaries / "pg_basebackup"), "-d", self._primary.dsn("postgres"), "-D", str(self.data)]
        options = ["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"]
        done = subprocess.run(
            [*self._as_account(), *program, *options],
            capture_output=True, text=True, check=False, cwd=self.home, **self.spawn_options(),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
