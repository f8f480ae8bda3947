"""`python -m msr_local.simulator --dsn DSN`: tell the story to a database, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from typing import NoReturn

import psycopg

from msr_local.console import complain, say
from msr_local.simulator import writer
from msr_local.simulator.changes import Change, size
from msr_local.simulator.story import TICK, Story

RETRY = 0.5  # seconds
REPORT_EVERY = 10.0  # seconds


class Teller:
    """Writes the story at its pace, through restarts of the database.

    Args:
        dsn: Of the source.
        story: What to tell.
        halt: Set when it is to stop.
    """

    def __init__(self, dsn: str, story: Story, halt: threading.Event) -> None:
        self._dsn = dsn
        self._story = story
        self._halt = halt
        self._connection: writer.Connection | None = None
        self.rows = 0

    def prepare(self, *, rewind: bool) -> None:
        """Create what is missing; with `rewind` also begin anew."""
        initial = self._story.initial()
        with psycopg.connect(self._dsn, autocommit=True, connect_timeout=10) as connection:
            writer.set_up(connection, initial)
            if rewind:
                writer.rewind(connection, initial)

    def tell(self, duration: float | None) -> float:
        """Go on until the end.

        Args:
            duration: Seconds of story; None: until `halt`.

        Returns:
            The seconds it took.
        """
        begun = reported = time.monotonic()
        due, told = begun, 0
        while not self._halt.is_set() and (duration is None or self._story.second < duration):
            changes = self._story.tick()
            if not self._write(changes):
                break
            self.rows += sum(map(size, changes))
            due = max(due + TICK, time.monotonic() - 5)  # what is late is caught up with, up to a few seconds
            now = time.monotonic()
            if now - reported >= REPORT_EVERY:
                say(f"{(self.rows - told) / (now - reported):,.0f} rows/s, {max(now - due, 0):.1f} s behind")
                reported, told = now, self.rows
            self._halt.wait(max(due - now, 0))
        if self._connection is not None:
            self._connection.close()
        return time.monotonic() - begun

    def _write(self, changes: list[Change]) -> bool:
        """Write one tick; while the database is away, try again. False: asked to stop meanwhile."""
        complained = False
        while not self._halt.is_set():
            try:
                if self._connection is None:
                    self._connection = psycopg.connect(self._dsn, autocommit=True, connect_timeout=10)
                writer.write(self._connection, changes)
            except psycopg.OperationalError as error:
                if not complained:
                    complain(f"the database is away, trying again: {str(error).splitlines()[0]}")
                complained = True
                if self._connection is not None:
                    self._connection.close()
                    self._connection = None
                self._halt.wait(RETRY)
            else:
                return True
        return False


def main() -> int:
    """Set the database up, and tell the story."""
    options = _options()
    halt = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: halt.set())
    teller = Teller(options.dsn, Story(options.seed, datetime.now(UTC), options.rate), halt)
    try:
        teller.prepare(rewind=not options.setup)
    except psycopg.Error as error:
        complain(f"error: {str(error).splitlines()[0]}")
        return 1
    if not options.setup:
        seconds = teller.tell(options.duration)
        say(f"{teller.rows:,} rows in {seconds:.1f} s: {teller.rows / max(seconds, 0.001):,.0f} rows/s")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m msr_local.simulator", description=__doc__)
    parser.add_argument("--dsn", required=True, help="the source database")
    parser.add_argument("--setup", action="store_true", help="only create the tables and the first rows")
    parser.add_argument("--rate", type=float, default=400.0, help="rows changed per second (default 400)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed tells the same story (default 1)")
    parser.add_argument("--duration", type=float, help="seconds until it ends (default: at Ctrl-C)")
    return parser.parse_args()


def run() -> NoReturn:
    """The process."""
    sys.exit(main())


if __name__ == "__main__":
    run()
