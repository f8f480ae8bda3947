"""The console in Chromium: starts `web/ui/bench`, which uses it as people do, and takes down what it finds."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel

from tests.benchmarks.place import tell

UI = Path(__file__).parents[2] / "web" / "ui"
#: Seconds that Chromium may take to end.
_ENDING = 15


class Sought(BaseModel):
    """One seek; milliseconds since its command (`Sought` in web/ui/bench/console.ts)."""

    at: int
    sent: float
    first: float | None
    last: float | None
    came: float
    drawn: float
    script: float
    task: float
    engine: float
    states: int
    fields: str | None
    wire: int
    bytes: int


class Heap(BaseModel):
    """What a thread's JavaScript holds, bytes: objects, and buffers beside them."""

    used: int
    buffers: int

    @property
    def megabytes(self) -> float:
        """All of it."""
        return (self.used + self.buffers) / 1e6


class Sample(BaseModel):
    """Memory at a time of play; `resident` of the renderer's process is looked up here, MB."""

    second: float
    page: Heap
    engine: Heap
    bytes: int
    budget: int
    renderer: int
    resident: float = 0.0

    def __str__(self) -> str:
        page, engine, buffer = self.page.megabytes, self.engine.megabytes, self.bytes / 1e6
        return (
            f"{self.second:.0f} s: page {page:.0f} MB, engine {engine:.0f} MB, buffer {buffer:.0f} MB, "
            f"process {self.resident:.0f} MB"
        )


class Playing(BaseModel):
    """Some time of play; milliseconds, but for `seconds` and `played`, which is history."""

    seconds: float
    played: float
    frames: int
    pictures: int
    tasks: list[float]
    script: float
    busy: float
    layout: float
    requests: int
    bytes: int
    firsts: list[float]
    wholes: list[float]
    scripts: list[dict[str, Any]]


@dataclass
class Found:
    """All that was found; of links, milliseconds until a moment was asked for, came from the engine, and was drawn."""

    version: str = ""
    links: list[tuple[float, float, float]] = field(default_factory=list)
    cold: list[Sought] = field(default_factory=list)
    inside: list[Sought] = field(default_factory=list)
    playing: list[Playing] = field(default_factory=list)
    memory: list[Sample] = field(default_factory=list)

    def take(self, line: dict[str, Any]) -> None:
        """Note one line of the browser's program."""
        match line.pop("kind"):
            case "browser":
                self.version = line["version"]
            case "link":
                self.links.append((line["sent"], line["came"], line["drawn"]))
                tell(f"link: asked for {line['sent']:.0f}, came {line['came']:.0f}, drawn {line['drawn']:.0f} ms")
            case "cold":
                self.cold.append(Sought(**line))
                tell(f"cold seek: {_times(self.cold[-1])}")
            case "inside":
                self.inside.append(Sought(**line))
            case "playing":
                self.playing.append(Playing(**line))
                tell(f"played; slow scripts: {line['scripts']}")
            case "memory":
                sample = Sample(**line)
                sample.resident = float(psutil.Process(sample.renderer).memory_info().rss) / 1e6
                self.memory.append(sample)
                if len(self.memory) % 6 == 0:
                    tell(str(sample))
            case "trace":
                told = "".join(f"\n  {task}" for task in line["tasks"])
                tell(f"{line['count']} long tasks in {line['seconds']} s:{told}")
            case "profile":
                told = "".join(f"\n  {one['ms']:>8} ms  {one['name']}" for one in line["functions"])
                tell(f"{line['part']}, thread {line['thread']}, own time:{told}")


def _times(seek: Sought) -> str:
    first, last = seek.first or 0.0, seek.last or 0.0
    return (
        f"first byte {first:.0f}, last {last:.0f}, came {seek.came:.0f}, drawn {seek.drawn:.0f} ms; "
        f"script {seek.script:.0f}, longest task {seek.task:.0f} ms; {seek.states} states, {seek.bytes / 1e6:.1f} MB"
    )


async def browse(plan: Mapping[str, Any]) -> Found:
    """Let the program measure what a plan says (`Plan` in web/ui/bench/measure.ts); nothing of it is left running."""
    process = await asyncio.create_subprocess_exec(
        "node", "bench/start.mjs", cwd=UI, env={**os.environ, "MSR_BENCH": json.dumps(plan)},
        stdout=asyncio.subprocess.PIPE, limit=1 << 24,
        start_new_session=True,  # Ctrl-C is ours: it is stopped below
    )  # fmt: skip
    found = Found()
    try:
        assert process.stdout is not None
        async for line in process.stdout:
            found.take(json.loads(line))
        if await process.wait():
            raise SystemExit(f"{UI}/bench/start.mjs ended with {process.returncode}; what it said is above")
    finally:
        await _stop(process)
    return found


async def _stop(process: asyncio.subprocess.Process) -> None:
    """End the program and the browser that it started, whichever way it goes."""
    if process.returncode is not None:
        return
    started: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        started = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)  # it closes the browser first
    with suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), _ENDING)
    if process.returncode is None:
        process.kill()
        await process.wait()
    for child in started:
        with suppress(psutil.NoSuchProcess):
            child.kill()
