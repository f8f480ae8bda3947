"""Keeps a stack running: what dies is started again, until somebody asks to stop."""

import json
import os
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from msr_local import records
from msr_local.errors import LocalError
from msr_local.options import Options
from msr_local.process import Service
from msr_local.stack import Stack

NAME = "supervisor"
PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)  # before the first, second … restart in a row, seconds
STEADY = 30.0  # a service that lived so long has recovered


@dataclass
class Past:
    """How often a service had to be restarted in a row, when last, and when it is due again."""

    restarts: int = 0
    restarted: float = 0.0
    due: float | None = None


class Supervisor:
    """Starts a stack, watches it, and stops it."""

    def __init__(self, options: Options, tell: Callable[[str], None], *, adopt_signals: bool = True) -> None:
        """Describe the stack.

        Args:
            options: What to start, and where.
            tell: Gets a line when a part is ready.
            adopt_signals: Whether SIGINT, SIGTERM and SIGHUP of this process ask it to stop.
        """
        self.halt = threading.Event()
        self.root = options.root
        self._tell = tell
        self.stack = Stack(
            options.root,
            ports=options.ports,
            workers=options.workers,
            simulator=options.simulator,
            rate=options.rate,
            jars=options.root / "kafka",
            halt=self.halt,
            tell=self._say,
        )
        self._pasts: defaultdict[str, Past] = defaultdict(Past)
        if adopt_signals:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, self._on_signal)

    def start(self) -> None:
        """Start everything; returns when all of it answers.

        Raises:
            LocalError: Something did not start. Nothing is left running.
        """
        records.write(self.root, NAME, os.getpid())
        try:
            self.stack.start()
            self.stack.wait_answering()
            self._write_endpoints()
            self._say("all of it answers")
        except BaseException as error:
            self.note(f"the start failed: {error}")
            self.stop()
            raise

    def watch(self) -> None:
        """Restart what dies, until asked to stop."""
        while not self.halt.wait(0.25):
            changed = [service for service in self.stack.running() if self._look_after(service)]
            if changed:
                self._write_endpoints()

    def stop(self) -> None:
        """Stop everything."""
        self.note("stopping")
        endpoints_file(self.root).unlink(missing_ok=True)
        self.stack.stop()
        records.forget(self.root, NAME, os.getpid())
        self.note("stopped")

    def note(self, text: str) -> None:
        """Write a line to the supervisor's log."""
        path = self.root / "log" / f"{NAME}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as log:
            log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {text}\n")

    def _look_after(self, service: Service) -> bool:
        """Restart a service that ended, when its pause is over; says whether it did."""
        now = time.monotonic()
        past = self._pasts[service.name]
        if service.alive:
            if now - past.restarted > STEADY:
                past.restarts = 0
            return False
        if past.due is None:
            past.due = now + PAUSES[min(past.restarts, len(PAUSES) - 1)]
        if now < past.due:
            return False
        past.restarts, past.restarted, past.due = past.restarts + 1, now, None
        return self._restart(service)

    def _restart(self, service: Service) -> bool:
        why = f"{service.name} ended with code {service.exit_code}"
        try:
            service.start()
        except (LocalError, OSError) as error:
            self.note(f"{why} and does not start: {error}")
            return False
        self._say(f"{why}; it was started again as process {service.pid}")
        return True

    def _write_endpoints(self) -> None:
        path = endpoints_file(self.root)
        content = self.stack.endpoints()
        content["pids"][NAME] = os.getpid()
        fresh = path.with_suffix(".new")
        fresh.touch(mode=0o600)  # there are tokens in it
        fresh.write_text(json.dumps(content, indent=2) + "\n")
        fresh.replace(path)

    def _say(self, text: str) -> None:
        self.note(text)
        self._tell(text)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.halt.set()


def endpoints_file(root: Path) -> Path:
    """Where it is written what is where."""
    return root / "endpoints.json"


def read_endpoints(root: Path) -> dict[str, Any] | None:
    """What is where, if a stack is up."""
    try:
        content: dict[str, Any] = json.loads(endpoints_file(root).read_text())
    except (OSError, ValueError):
        return None
    return content
