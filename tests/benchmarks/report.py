"""What a measurement found beside what is wanted, as Markdown and as a picture."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

README = Path(__file__).with_name("README.md")


@dataclass(frozen=True)
class Row:
    """One line of the result.

    Attributes:
        what: was measured.
        found: in words.
        wanted: in words; empty where nothing is.
        share: how much of what is allowed was taken: up to 1 it is reached.
    """

    what: str
    found: str
    wanted: str = ""
    share: float | None = None

    @property
    def verdict(self) -> str:
        """Whether it was reached, in a word."""
        if self.share is None:
            return ""
        return "reached" if self.share <= 1 else "**missed**"


def at_most(what: str, value: float, limit: float, found: str, wanted: str, *, fine: bool = True) -> Row:
    """A line whose figure must not be above a limit; not `fine`: something failed, whatever the figure."""
    return Row(what, found, wanted, value / limit if fine else max(value / limit, 99.0))


def at_least(what: str, value: float, limit: float, found: str, wanted: str) -> Row:
    """A line whose figure must not be below a limit."""
    return Row(what, found, wanted, limit / value if value > 0 else 99.0)


@dataclass
class Part:
    """Some lines under one heading, and what a picture of them needs."""

    name: str
    note: str
    rows: list[Row]
    drawn: dict[str, Any] = field(default_factory=dict)


class Report:
    """All parts of one run.

    Args:
        size: what the run is called.
        server: the database, in words.
        sharing: what runs on the machine, in words.
        mark: its place in the README; the size where nothing else is said.
    """

    def __init__(
        self, size: str, server: str, sharing: str = "Client, worker, broker and database", mark: str = ""
    ) -> None:
        self.size, self._server, self._sharing, self._mark = size, server, sharing, mark or size
        self._loads = [os.getloadavg()[0]]
        self._begun = datetime.now(UTC)
        self.parts: list[Part] = []

    def add(self, part: Part) -> None:
        """One more part is done."""
        self.parts.append(part)
        self._loads.append(os.getloadavg()[0])

    def markdown(self) -> str:
        """The machine, the day, and a table."""
        lines = [self._head(), "", "| what | found | to reach | |", "|---|---|---|---|"]
        for part in self.parts:
            lines.append(f"| **{part.name}**: {part.note} | | | |")
            lines += [f"| {row.what} | {row.found} | {row.wanted} | {row.verdict} |" for row in part.rows]
        return "\n".join(lines)

    @property
    def title(self) -> str:
        """What was measured, when and where, in a line."""
        return f"{self._begun:%Y-%m-%d}, {self.size} size, {self._server}"

    def _head(self) -> str:
        memory = psutil.virtual_memory().total / 1e9
        machine = f"{psutil.cpu_count()} cores, {memory:.0f} GB, {_processor()}, Python {platform.python_version()}"
        loads = " → ".join(f"{load:.1f}" for load in self._loads)
        return (
            f"{self._begun:%Y-%m-%d %H:%M} UTC, {self.size} size; {machine}; {self._server}.\n"
            f"{self._sharing} share the cores. "
            f"Load average before and after each part, its own work included: {loads}."
        )

    def write(self, readme: Path = README) -> None:
        """Put it between the README's markers for it."""
        marks = f"<!-- {self._mark} -->", f"<!-- end of {self._mark} -->"
        pattern = re.compile(f"{re.escape(marks[0])}.*?{re.escape(marks[1])}", re.DOTALL)
        text, found = pattern.subn(lambda _: f"{marks[0]}\n\n{self.markdown()}\n\n{marks[1]}", readme.read_text())
        if not found:
            raise SystemExit(f"{readme} has no place for this: {' … '.join(marks)}")
        readme.write_text(text)


def _processor() -> str:
    """What the processor calls itself."""
    try:
        names = re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        names = []
    return f"{names[0]} ({platform.machine()})" if names else platform.machine()
