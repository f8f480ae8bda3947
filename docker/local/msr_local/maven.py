"""What Maven brings: a folder filled once for a pom, and again when that has changed."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msr_local.errors import HaltedError, LocalError
from msr_local.waiting import wait_until


def is_complete(pom: Path, folder: Path) -> bool:
    """Whether the folder holds what the present pom asks for."""
    stamp = folder / "stamp"
    return stamp.exists() and stamp.read_text() == _hash(pom)


def fetch(
    pom: Path,
    folder: Path,
    what: str,
    parts: Sequence[str],
    halt: threading.Event | None = None,
    finish: Callable[[], None] = lambda: None,
) -> bool:
    """Let Maven fill a folder, unless it is complete; two that ask at once wait for one another.

    Args:
        pom: What to bring; it gets the folder as `out`.
        folder: Where to.
        what: What that is, for the error.
        parts: The subfolders that it fills: emptied first.
        halt: Set by somebody who no longer wants to wait.
        finish: What is left to do then, before the folder counts as complete.

    Returns:
        Whether there was something to fetch.
    """
    if is_complete(pom, folder):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        wait_until(lambda: _try_lock(lock.fileno()), 600, "the other Maven ends", halt, every=0.2)
        if is_complete(pom, folder):
            return False
        for name in (*parts, ".markers"):
            shutil.rmtree(folder / name, ignore_errors=True)
        maven = [find_maven(), "-q", "-B", "-f", str(pom), "package", f"-Dout={folder}"]
        words = ""
        for options in (["-o"], []):  # offline first: seconds faster, and works without a network
            code, words = _run(maven + options, halt)
            if code == 0:
                finish()
                (folder / "stamp").write_text(_hash(pom))
                return True
        raise LocalError(f"Maven could not fetch {what}: {words}")


def find_maven(environment: Mapping[str, str] = os.environ) -> str:
    """The mvn of the PATH."""
    found = shutil.which(environment.get("MVN", "mvn"))
    if found is None:
        raise LocalError("Maven is missing: install it (the package is called maven), or set MVN to the program")
    return found


def _run(command: list[str], halt: threading.Event | None) -> tuple[int, str]:
    """Run a program and give back its code and the last line that names an error."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL
    ) as process:
        try:
            wait_until(lambda: process.poll() is not None, 1200, "Maven ends", halt, every=0.1)
        except HaltedError:
            process.terminate()
            raise
        output = process.stdout.read() if process.stdout is not None else ""
    errors = [line for line in output.splitlines() if "ERROR" in line]
    return process.returncode, (errors or [""])[0]


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _hash(pom: Path) -> str:
    return hashlib.sha256(pom.read_bytes()).hexdigest()
