"""Every measurement in one run: `make bench`, or `python -m tests.benchmarks --help`."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import bench_activity, bench_lag, bench_recorder, bench_replay
from tests.benchmarks.filling import FULL, QUICK
from tests.benchmarks.histories import database
from tests.benchmarks.place import Place, quieten, tell
from tests.benchmarks.plots import draw
from tests.benchmarks.report import Part, Report

#: Parts of a run, in the order in which they are made.
PARTS = ("recording", "answers", "memory", "growth", "activity", "lag")


def main() -> None:
    """Read the arguments, measure, print."""
    chosen = _arguments()
    quieten()
    place = Place.of(chosen.dsn) if chosen.dsn else None
    size, events = (FULL, 400_000) if chosen.full else (QUICK, 200_000)
    with database(place) as where:
        report = Report("full" if chosen.full else "quick", where.place.server())
        steps: dict[str, Callable[[], Part]] = {
            "recording": lambda: bench_recorder.measure(where.place, chosen.events or events, chosen.rounds),
            "answers": lambda: asyncio.run(bench_replay.measure(where, size)),
            "memory": lambda: asyncio.run(bench_replay.measure_memory(where)),
            "growth": lambda: asyncio.run(bench_replay.measure_growth(where, size, [1, 3, 10])),
            "activity": lambda: asyncio.run(bench_activity.measure(where)),
            "lag": lambda: bench_lag.measure(where),
        }
        for name in PARTS:
            if name in chosen.only:
                report.add(steps[name]())
    print(report.markdown())
    draw(chosen.plot, report.title, report.parts)
    tell(f"drawn: {chosen.plot}")
    if chosen.write:
        report.write()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="100,000 entities and 3.6 million events, else a tenth")
    parser.add_argument("--dsn", help="a database to use, where this user may make a schema; else servers are started")
    parser.add_argument(
        "--only", type=lambda text: text.split(","), metavar="PARTS", default=list(PARTS), help=f"of {','.join(PARTS)}"
    )
    parser.add_argument("--events", type=int, help="how many are recorded (200,000, with --full 400,000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often recording is measured (3); medians are told")
    parser.add_argument("--plot", type=Path, default=Path("bench.png"), help="where the picture goes (bench.png)")
    parser.add_argument("--write", action="store_true", help="put the table into tests/benchmarks/README.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
