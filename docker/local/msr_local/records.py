"""Which processes of this folder run, remembered in files that outlive whoever started them."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGTERM, Signals

import psutil

from msr_local.waiting import wait_until

RUN = "run"
ENDED = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


def write(root: Path, name: str, pid: int) -> None:
    """Remember a process by its number and the time it started: numbers are used again."""
    try:
        started = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return
    folder = root / RUN
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"{name}.new"
    fresh.write_text(json.dumps({"pid": pid, "started": started}))
    fresh.replace(folder / f"{name}.pid")


def forget(root: Path, name: str, pid: int) -> None:
    """Forget a process, unless another one has taken its place."""
    path = root / RUN / f"{name}.pid"
    if _read(path)[0] == pid:
        path.unlink(missing_ok=True)


def find(root: Path, name: str) -> psutil.Process | None:
    """The process remembered under this name, if it still lives."""
    pid, started = _read(root / RUN / f"{name}.pid")
    try:
        process = psutil.Process(pid) if pid > 0 else None
        if process is None or process.status() in ENDED or abs(process.create_time() - started) > 1:
            return None
    except psutil.NoSuchProcess:
        return None
    return process


def names(root: Path) -> list[str]:
    """Every name that something is remembered under."""
    return sorted(path.stem for path in (root / RUN).glob("*.pid"))


def reap(root: Path, which: Iterable[str], signals: Mapping[str, Signals], limit: float) -> list[str]:
    """End the processes remembered under these names, all at once.

    Args:
        root: The stack's folder.
        which: The names.
        signals: The signal to ask with, where it isn't SIGTERM.
        limit: Seconds until those that are left are killed.

    Returns:
        The names of those that still lived.
    """
    which = list(which)
    found = {name: process for name in which if (process := find(root, name)) is not None}
    for name, process in found.items():
        _send(process, SIGCONT, signals.get(name, SIGTERM))
    _, left = psutil.wait_procs(found.values(), timeout=limit)
    for process in left:
        if _lives(process):
            _send(process, SIGKILL)
    for name, process in found.items():
        wait_until(lambda process=process: not _lives(process), 10, f"{name} ends")  # type: ignore[misc]
    for name in which:
        (root / RUN / f"{name}.pid").unlink(missing_ok=True)
    return list(found)


def _send(process: psutil.Process, *numbers: Signals) -> None:
    for number in numbers:
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return


def _lives(process: psutil.Process) -> bool:
    """Alive, and not a zombie that its new parent doesn't collect."""
    try:
        return process.is_running() and process.status() not in ENDED
    except psutil.NoSuchProcess:
        return False


def _read(path: Path) -> tuple[int, float]:
    try:
        record = json.loads(path.read_text())
        return int(record["pid"]), float(record["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0.0
