"""How the console reaches any moment, plays and keeps within its memory: in Chromium, against the real routes.

A fleet (`moving.py`) is put into the history; a worker in a process of its own (`serving.py`) answers; `web/ui/bench`
uses the console by its keys and listens to what its page and threads say to each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from tests.benchmarks.asking import Worker
from tests.benchmarks.chromium import Found, Playing, Sample, Sought, browse
from tests.benchmarks.filling import TENANT, Size
from tests.benchmarks.histories import Made, Where, made
from tests.benchmarks.moving import WINDOW, Fleet
from tests.benchmarks.place import tell
from tests.benchmarks.report import Part, Report, Row, at_least, at_most

#: Milliseconds.
COLD, INSIDE, BLOCKED = 1_500, 50, 50
#: How much more may be left in memory in the last third of the time than in the middle one.
GROWTH = 1.2
SPEED = 10


@dataclass(frozen=True)
class Course:
    """What is measured.

    Attributes:
        entities: how many move.
        minutes: how long memory is watched.
        weight: bytes of a row.
        profiles: a folder for profiles of both threads.
    """

    entities: int
    minutes: float
    weight: int
    profiles: Path | None

    @property
    def size(self) -> Size:
        """All of it in one day, ten changes of each entity in the window."""
        return Size(entities=self.entities, events=11 * self.entities, days=1)


async def measure(where: Where, course: Course, report: Report) -> None:
    """All figures, in one window of one browser."""
    async with made(where, course.size, partial(Fleet, weight=course.weight)) as history, history.worker() as asked:
        tell("opening the console")
        found = await browse(_plan(course, history, asked))
        alone = await _alone(asked, found.cold)
    note = (
        f"{course.entities:,} entities of {course.weight:,} bytes, each changed 10 times in {WINDOW // 1_000_000:,} s; "
        f"Chromium {found.version}, 1280x800, drawn in software"
    )
    report.add(Part("Seeking outside of the buffer", note, _cold(found) + alone))
    report.add(Part("Seeking inside the buffer", "anywhere in the longest stretch, nothing is loading", _inside(found)))
    [playing] = found.playing
    report.add(Part("Playing", f"{SPEED} x for {playing.seconds:.0f} s", _playing(playing)))
    looped = f"{SPEED} x for {course.minutes:g} min, the window in a loop; looked at {len(found.memory)} times"
    report.add(Part("Memory", looped, _memory(found.memory)))


def _plan(course: Course, history: Made, asked: Worker) -> dict[str, object]:
    """What the browser's program is to do."""
    seconds = 60 * course.minutes
    return {
        "url": f"http://127.0.0.1:{asked.port}",
        "token": asked.tokens.person("bench", TENANT),
        "start": history.filled.end - WINDOW,
        "end": history.filled.end,
        "links": 3,
        "seeks": 13,
        "inside": 30,
        "playing": 60,
        "lasting": seconds,
        "every": seconds / 60,
        "profiles": str(course.profiles.resolve()) if course.profiles else None,
    }


def _cold(found: Found) -> list[Row]:
    first, others = found.cold[0], found.cold[1:] or found.cold  # of a small history nearly all is buffered by then
    cold = [one for one in others if one.first is not None and one.last is not None]
    size = median(one.bytes for one in cold) / 1e6
    whole = sum(one.states > 0 for one in cold)
    return [
        *_judged("from the command until the moment is drawn", [one.drawn for one in cold], COLD),
        _three("of it until the first byte", [one.first or 0 for one in cold]),
        _three(f"until the last byte, {size:.1f} MB in the middle", [one.last or 0 for one in cold]),
        _three("until the engine has it", [one.came for one in cold]),
        _three("script of the main thread", [one.script for one in cold]),
        _three("its longest task", [one.task for one in cold]),
        Row("seeks that fetched a whole state", f"{whole} of {len(others)}"),
        Row("the first one, until drawn, while the base map makes its first pictures", f"{first.drawn:.0f} ms"),
        _three("a link to a moment, opened in a new window, until it asks", [sent for sent, _, _ in found.links]),
        _three("until the engine has it", [came for _, came, _ in found.links]),
        _three("until it is drawn, the map with it", [drawn for _, _, drawn in found.links]),
    ]


async def _alone(asked: Worker, cold: Sequence[Sought]) -> list[Row]:
    """The server's share: the same asked without a browser, at instants that it has not answered yet."""
    fields = next((one.fields for one in cold if one.fields), "")
    states = [await asked.state(one.at, "alone", "zstd", fields) for one in cold]
    assert all(answer.status == 200 for answer in states)
    return [
        _three("the server alone: such a state, zstd, until the first byte", [1000 * one.first for one in states]),
        _three("until the last byte", [1000 * one.seconds for one in states]),
    ]


def _inside(found: Found) -> list[Row]:
    inside = [one for one in found.inside if one.last is None]
    return [
        *_judged("script, both threads, until the frame", [one.script + one.engine for one in inside], INSIDE),
        _three("of it the main thread's, until drawn", [one.script for one in inside]),
        _three("the engine's, from hearing of it until its frame is sent", [one.engine for one in inside]),
        _three("from the engine's being told until its frame is here", [one.came - one.sent for one in inside]),
        _three("from the command until drawn", [one.drawn for one in inside]),
        _three("longest task of the main thread", [one.task for one in inside]),
        Row("seeks that fetched something, not counted", f"{len(found.inside) - len(inside)} of {len(found.inside)}"),
    ]


def _playing(found: Playing) -> list[Row]:
    seconds, longest = found.seconds, max(found.tasks, default=0.0)
    tasks = (
        f"{len(found.tasks)} tasks over 50 ms, the longest {longest:.0f} ms" if found.tasks else "no task over 50 ms"
    )
    busy, script, layout = (part / seconds / 10 for part in (found.busy, found.script, found.layout))
    rows = [
        at_most("the main thread is blocked", longest, BLOCKED, tasks, "no task over 50 ms"),
        at_least(
            "history played",
            found.played,
            0.95 * SPEED * seconds,
            f"{found.played:.0f} s",
            f"95 % of {SPEED * seconds:.0f} s",
        ),
        Row("pictures of the entities", f"{found.pictures / seconds:.1f} a second"),
        Row("frames of the engine", f"{found.frames / seconds:.1f} a second"),
        Row("the main thread is busy", f"{busy:.0f} %; script {script:.0f} %, layout {layout:.0f} %"),
        Row("fetched meanwhile", f"{found.requests} answers, {found.bytes / 1e6:.0f} MB"),
    ]
    if found.requests:
        rows += [_three("an answer's first byte", found.firsts), _three("its last byte", found.wholes)]
    return rows


def _memory(samples: Sequence[Sample]) -> list[Row]:
    account, budget = max(one.bytes for one in samples) / 1e6, samples[0].budget / 1e6
    return [
        bounded("heap of the page", [one.page.megabytes for one in samples]),
        bounded("heap of the engine", [one.engine.megabytes for one in samples]),
        bounded("resident memory of the renderer", [one.resident for one in samples]),
        at_most("the buffer's own account, at most", account, budget, f"{account:.0f} MB", f"{budget:.0f} MB"),
    ]


def bounded(what: str, values: Sequence[float]) -> Row:
    """Whether what is left in it grows from the middle third of the time to the last.

    What a collector has left is seen in the least of many looks; the most depends on when it came last.
    """
    third = len(values) // 3
    middle, last = min(values[third : 2 * third]), min(values[2 * third :])
    found = f"{last:.0f} MB, {middle:.0f} MB before: {last / middle:.2f} x; at most {max(values):.0f} MB"
    return at_most(f"{what}, least of the last third to the middle one's", last, GROWTH * middle, found, f"{GROWTH} x")


def _judged(what: str, values: Sequence[float], limit: float) -> list[Row]:
    """The median and the worst beside a limit, milliseconds."""
    middle, worst = median(values), max(values)
    return [
        at_most(f"{what}, median of {len(values)}", middle, limit, f"{middle:.0f} ms", f"{limit:.0f} ms"),
        at_most(f"{what}, worst (least: {min(values):.0f} ms)", worst, limit, f"{worst:.0f} ms", f"{limit:.0f} ms"),
    ]


def _three(what: str, values: Sequence[float]) -> Row:
    """The least, the median and the worst of some milliseconds."""
    return Row(what, f"{min(values):.0f}, {median(values):.0f}, {max(values):.0f} ms")
