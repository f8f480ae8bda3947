"""Java programs: which Java, their jars, and the command lines."""

import os
import re
import shutil
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from msr_local import maven
from msr_local.errors import LocalError

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
        return maven.is_complete(POM, self.folder) and self.plugins.is_dir()

    def fetch(self, halt: threading.Event | None = None) -> bool:
        """Let Maven fill the folder, unless it is complete.

        Args:
            halt: Set by somebody who no longer wants to wait.

        Returns:
            Whether there was something to fetch.
        """
        return maven.fetch(POM, self.folder, "Kafka and Debezium", ("libs", "plugins"), halt)


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
