"""Named points at which a worker can be made to die or freeze, so that tests can prove that nothing is lost.

`FAULT_POINT=after-copy:kill:20` kills the worker (SIGKILL) when it passes `after-copy` the 20th time;
`stop` freezes it (SIGSTOP). Without the setting a point costs one comparison.
"""

from __future__ import annotations

import os
import re
import signal
from dataclasses import dataclass

from msr_stream.errors import SettingsError

POINTS = ("before-lock", "after-copy", "after-commit", "after-ack")
_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


@dataclass
class Fault:
    """A fault to come: at `point`, after `countdown` more passes."""

    point: str
    signal: signal.Signals
    countdown: int

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read `point:kill|stop[:passes]`.

        Raises:
            SettingsError: the text has another form.
        """
        point, _, rest = text.partition(":")
        action, _, passes = rest.partition(":")
        if point not in POINTS or action not in _SIGNALS or not re.fullmatch("[1-9][0-9]*", passes or "1"):
            raise SettingsError(
                f"FAULT_POINT: got {text!r}, wants one of {', '.join(POINTS)}, then :kill or :stop, then :passes"
            )
        return cls(point, _SIGNALS[action], int(passes or "1"))


_armed: Fault | None = None


def arm(fault: Fault | None) -> None:
    """Set, or with `None` remove, the one fault of this process."""
    global _armed  # noqa: PLW0603 - one per process, like the signal it sends
    _armed = fault


def reach(point: str) -> None:
    """Pass a point: the armed fault strikes here when its countdown ends."""
    if _armed is None or _armed.point != point:
        return
    _armed.countdown -= 1
    if _armed.countdown == 0:
        os.kill(os.getpid(), _armed.signal)
