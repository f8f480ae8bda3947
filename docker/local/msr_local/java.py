"""Java programs: which Java, their jars, and the command lines."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from msr_local.errors import HaltedError, LocalError
from msr_local.waiting import wait_until

POM = Path(__file__).parent.parent / "pom.xml"
LOGGING = Path(__file__).parent.parent / "config" / "log4j2.xml"
OLDEST_JAVA = 17


@dataclass(frozen=True)
class Jars:
    """The folder that Maven fills: Kafka and Connect in `libs`, Debezium in `plugins`."""

    folder: Path

    @property
    def plugins(self) -> Path:
        """Connect's plugin path."""
        return self.folder / "plugins"

    def java(self, main: str, *arguments: str, heap: str) -> list[str]:
        """The command line of one program.

        Args:
            main: Its class.
            arguments: What it gets.
            heap: The most memory for its objects, such as `256m`.
        """
        return [
            find_java(),
            f"-Xmx{heap}",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",  # starts a third faster
            "-XX:+ExitOnOutOfMemoryError",
            f"-Dlog4j2.configurationFile={LOGGING}",
            "-cp",
            f"{self.folder / 'libs'}/*",
            main,
            *arguments,
        ]

    def is_complete(self) -> bool:
        """Whether the folder holds what the present pom asks for."""
        stamp = self.folder / "stamp"
        return stamp.exists() and stamp.read_text() == _pom_hash() and self.plugins.is_dir()

    def fetch(self, halt: threading.Event | None = None) -> bool:
        """Let Maven fill the folder, unless it is complete; two that ask at once wait for one another.

        Args:
            halt: Set by somebody who no longer wants to wait.

        Returns:
            Whether there was something to fetch.
        """
        if self.is_complete():
            return False
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            wait_until(lambda: _try_lock(lock.fileno()), 600, "the other Maven ends", halt, every=0.2)
            if self.is_complete():
                return False
            for name in ("libs", "plugins", ".markers"):
                shutil.rmtree(self.folder / name, ignore_errors=True)
            maven = [find_maven(), "-q", "-B", "-f", str(POM), "package", f"-Dout={self.folder}"]
            words = ""
            for options in (["-o"], []):  # offline first: seconds faster, and works without a network
                code, words = _run(maven + options, halt)
                if code == 0:
                    (self.folder / "stamp").write_text(_pom_hash())
                    return True
            raise LocalError(f"Maven could not fetch Kafka and Debezium: {words}")


def find_java() -> str:
    """The java of JAVA_HOME, else of the PATH."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else None
    found = found or shutil.which("java")
    if found is None:
        raise LocalError(f"Java {OLDEST_JAVA} or newer is missing: install it, or set JAVA_HOME to its folder")
    return found


def check_java() -> None:
    """Refuse a Java that Kafka does not start on."""
    said = subprocess.run([find_java(), "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < OLDEST_JAVA:
        found = version[1] if version else "unknown"
        raise LocalError(
            f"Java {OLDEST_JAVA} or newer is needed, this is {found}: set JAVA_HOME to a newer one's folder"
        )


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


def _pom_hash() -> str:
    return hashlib.sha256(POM.read_bytes()).hexdigest()
