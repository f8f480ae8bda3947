"""How the console is on a large history, in Chromium: `make bench-ui`, or `python -m tests.benchmarks.ui --help`."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
from pathlib import Path

from tests.benchmarks.bench_ui import Course, measure
from tests.benchmarks.chromium import UI
from tests.benchmarks.histories import database
from tests.benchmarks.place import Place, quieten
from tests.benchmarks.report import Report

FULL, QUICK = 100_000, 10_000


def main() -> None:
    """Read the arguments, measure, print."""
    chosen = _arguments()
    _check_there()
    quieten()
    size = "quick" if chosen.quick else "full"
    minutes = chosen.minutes or (1 if chosen.quick else 10)
    course = Course(QUICK if chosen.quick else FULL, minutes, chosen.bytes, chosen.profiles)
    if course.profiles:
        course.profiles.mkdir(parents=True, exist_ok=True)
    with database(Place.of(chosen.dsn) if chosen.dsn else None) as where:
        report = Report(size, where.place.server(), "Browser, worker and database", f"console {size}")
        asyncio.run(measure(where, course, report))
    print(report.markdown())
    if chosen.write:
        report.write()


def _check_there() -> None:
    """What is needed beside Python."""
    chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    for what, there, advice in (
        ("Node", shutil.which("node"), "install Node 20 or newer"),
        ("Chromium", shutil.which(chromium), "install it, or name it in CHROMIUM"),
        ("the console", (UI.parent / "console" / "index.html").exists(), "run `make ui`"),
    ):
        if not there:
            raise SystemExit(f"error: {what} is missing: {advice}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.ui", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="10,000 entities and a minute of play, not 100,000 and ten"
    )
    parser.add_argument("--minutes", type=float, help="how long it plays while its memory is watched (10; quick: 1)")
    parser.add_argument("--bytes", type=int, default=1_000, help="what a row weighs (1000)")
    parser.add_argument("--dsn", help="a database to use, where this user may make a schema; else a server is started")
    parser.add_argument(
        "--profiles", type=Path, metavar="FOLDER", help="sample both threads: tells where the time goes"
    )
    parser.add_argument("--write", action="store_true", help="put the table into tests/benchmarks/README.md")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
