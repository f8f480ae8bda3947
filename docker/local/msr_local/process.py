"""One child process: how it is started, watched and ended."""

import os
import shutil
import subprocess
import threading
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGCONT, SIGTERM, Signals
from typing import Any

from msr_local import records
from msr_local.errors import LocalError
from msr_local.waiting import wait_until

# A child dies with the *thread* that made it (see Service.guard): this one lives as long as the process does.
_spawner = ThreadPoolExecutor(1, thread_name_prefix="spawner")

MOST_LOG = 50 * 1024 * 1024


class Service(ABC):
    """A process of the stack. Subclasses say what to run and when it answers.

    Attributes:
        name: What it is called in files and messages.
        root: The stack's folder.
        home: The service's own folder in it, and the process's working directory.
        log_path: Where its output goes.
    """

    stop_signal = SIGTERM
    grace = 10.0  # seconds after stop_signal until it is killed

    def __init__(self, name: str, root: Path, halt: threading.Event | None = None) -> None:
        self.name = name
        self.root = root
        self.home = root / name
        self.log_path = root / "log" / f"{name}.log"
        self._halt = halt
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """What to run."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it answers now."""

    def environment(self) -> dict[str, str]:
        """Variables beside those of this process."""
        return {}

    def prepare(self) -> None:  # noqa: B027  # not every service needs it
        """Put on disk what it needs; called before every start."""

    def spawn_options(self) -> dict[str, Any]:
        """Further arguments of Popen."""
        return {}

    @property
    def pid(self) -> int | None:
        """Its process id while it lives."""
        return self._process.pid if self._process is not None and self.alive else None

    @property
    def alive(self) -> bool:
        """Whether the process lives (it may be stopped by SIGSTOP)."""
        return self._process is not None and self._process.poll() is None

    @property
    def was_started(self) -> bool:
        """Whether it was started at least once, alive or not."""
        return self._process is not None

    @property
    def exit_code(self) -> int | None:
        """How it ended: None while it lives or was never started."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start the process; `wait_ready` then waits until it answers."""
        if self.alive:
            return
        self.home.mkdir(parents=True, exist_ok=True)
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        if self.log_path.exists() and self.log_path.stat().st_size > MOST_LOG:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        self.prepare()
        _spawner.submit(self._spawn).result()

    def _spawn(self) -> None:
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(  # the process outlives this block on purpose
                self.guard(self.command()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.home,
                env={**os.environ, **self.environment()},
                start_new_session=True,  # Ctrl-C reaches only the parent, which stops all in order
                **self.spawn_options(),
            )
        records.write(self.root, self.name, self._process.pid)

    def guard(self, command: list[str]) -> list[str]:
        """The command, made to get `stop_signal` when the process that started it is gone."""
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            return command
        return [setpriv, "--pdeathsig", self.stop_signal.name.removeprefix("SIG"), *command]

    def wait_ready(self, limit: float = 60.0) -> None:
        """Wait until it answers; fail at once, with its last words, if it ends instead."""
        wait_until(self._ready_or_ended, limit, f"{self.name} answers (see {self.log_path})", self._halt)

    def _ready_or_ended(self) -> bool:
        if not self.alive:
            raise LocalError(f"{self.name} ended with code {self.exit_code}: {self.last_words()} (see {self.log_path})")
        return self.ready()

    def last_words(self) -> str:
        """The last line of its log."""
        if not self.log_path.exists():
            return ""
        with self.log_path.open("rb") as log:
            log.seek(max(0, self.log_path.stat().st_size - 4096))
            lines = log.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def signal(self, number: Signals) -> None:
        """Send a signal, if it lives."""
        if self._process is not None:
            self._process.send_signal(number)

    def ask_to_stop(self) -> None:
        """Send the signal that ends it in order, and wake it up if it was stopped."""
        self.signal(SIGCONT)
        self.signal(self.stop_signal)

    def stop(self, limit: float | None = None) -> None:
        """End it in order, and with SIGKILL when that takes too long.

        Args:
            limit: Seconds until SIGKILL; None means the service's own grace.
        """
        if self._process is None:
            return
        self.ask_to_stop()
        self.await_end(self.grace if limit is None else limit)

    def await_end(self, limit: float) -> None:
        """Wait for the end of a process that was asked to stop, and make it so after the limit."""
        if self._process is None:
            return
        if not self.ends_within(limit):
            self.last_resort()
        records.forget(self.root, self.name, self._process.pid)

    def ends_within(self, limit: float) -> bool:
        """Whether it ends by itself within so many seconds."""
        try:
            if self._process is not None:
                self._process.wait(limit)
        except subprocess.TimeoutExpired:
            return False
        return True

    def last_resort(self) -> None:
        """End a process that did not stop when asked."""
        self.kill()

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would, and collect it."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        records.forget(self.root, self.name, self._process.pid)

    def restart(self, limit: float = 60.0) -> None:
        """Stop it, start it on the same port and data, and wait until it answers."""
        self.stop()
        self.start()
        self.wait_ready(limit)


def run_to_end(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> str:
    """Run a program that ends by itself.

    Args:
        command: The program.
        folder: Its working directory.
        environment: Variables beside those of this process.

    Returns:
        What it printed.

    Raises:
        LocalError: It failed; the message ends with its last line.
    """
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stdout.strip().splitlines() or [f"code {done.returncode}"])[-1]
        raise LocalError(f"{Path(command[0]).name} {' '.join(command[1:4])} … failed: {last}")
    return done.stdout
