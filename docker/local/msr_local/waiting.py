"""Waiting for a condition, with a limit and a way to be called off."""

import threading
import time
from collections.abc import Callable

from msr_local.errors import HaltedError, LocalError


def wait_until(
    condition: Callable[[], bool],
    limit: float,
    what: str,
    halt: threading.Event | None = None,
    every: float = 0.05,
) -> None:
    """Ask the condition until it holds.

    Args:
        condition: What is waited for; it may raise to give up early.
        limit: Seconds after which it is an error.
        what: The condition in words, for that error.
        halt: Set by somebody who no longer wants to wait.
        every: Seconds between two looks.

    Raises:
        LocalError: The limit has passed.
        HaltedError: The wait was called off.
    """
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            raise LocalError(f"{what}: not within {limit:g} s")
        if halt is None:
            time.sleep(every)
        elif halt.wait(every):
            raise HaltedError("stopped while starting")
