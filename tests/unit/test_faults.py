"""Named points at which a worker can be made to die or freeze."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from msr_stream import faults
from msr_stream.errors import SettingsError
from msr_stream.faults import Fault


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, int]]]:
    """The signals that would have been sent."""
    signals: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: signals.append((pid, number)))
    yield signals
    faults.arm(None)


@pytest.mark.parametrize("point", faults.POINTS)
def test_a_point_may_kill_or_stop(point: str) -> None:
    assert Fault.parse(f"{point}:kill") == Fault(point, signal.SIGKILL, 1)
    assert Fault.parse(f"{point}:stop:20") == Fault(point, signal.SIGSTOP, 20)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "after-ack",
        "after-ack:",
        "elsewhere:kill",
        "after-ack:hurt",
        "after-ack:kill:x",
        ":kill",
        "after-ack:kill:-1",
    ],
)
def test_anything_else_is_refused_with_what_is_wanted(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^FAULT_POINT: got .*wants one of before-lock, after-copy") as caught:
        Fault.parse(text)
    assert repr(text) in str(caught.value)


def test_the_fault_strikes_once_when_its_countdown_ends(sent: list[tuple[int, int]]) -> None:
    faults.arm(Fault.parse("after-copy:kill:3"))
    for _ in range(2):
        faults.reach("after-copy")
    assert sent == []
    for _ in range(5):
        faults.reach("after-copy")
    assert sent == [(os.getpid(), signal.SIGKILL)]


def test_other_points_pass_and_do_not_count(sent: list[tuple[int, int]]) -> None:
    faults.arm(Fault.parse("after-copy:stop"))
    for point in ("before-lock", "after-commit", "after-ack"):
        faults.reach(point)
    assert sent == []
    faults.reach("after-copy")
    assert sent == [(os.getpid(), signal.SIGSTOP)]


def test_without_a_fault_every_point_passes(sent: list[tuple[int, int]]) -> None:
    faults.arm(None)
    for point in faults.POINTS:
        faults.reach(point)
    assert sent == []


@pytest.mark.parametrize("point", faults.POINTS)
def test_every_point_is_somewhere_in_the_code(point: str) -> None:
    core = Path(faults.__file__).parent
    assert any(f'reach("{point}")' in path.read_text() for path in core.rglob("*.py"))
