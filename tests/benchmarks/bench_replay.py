"""How fast any past moment is answered, beside plain COPY and the way without keyframes.

A long history is made up, in the real layout and with keyframes built by the real code; a worker (the real routes and
replay in a process of its own, without Faust) is asked over HTTP.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from statistics import median

from tests.benchmarks.asking import Answer, Worker
from tests.benchmarks.filling import FULL, QUICK, Size
from tests.benchmarks.histories import Made, Where, made
from tests.benchmarks.peers import Peers, peers, rows_kept
from tests.benchmarks.place import tell
from tests.benchmarks.report import Part, Row, at_least, at_most

USERS = 50
#: Changes in a busy minute.
MINUTE = 7_200
#: 200,000 entities of 1 KB: 200 MB of answer.
LARGE = Size(entities=200_000, events=500_000, days=3)


async def measure(where: Where, size: Size) -> Part:
    """All figures of one history."""
    async with made(where, size) as history, history.database.recording() as connection:
        instants = sorted(_random(history, 3, 20))
        async with peers(connection, instants[-1]) as others, history.worker() as asked:
            tell("asking")
            await asked.state(instants[0])
            answers = [await _beside(asked, others, number, at) for number, at in enumerate(instants)]
            copy, today = median(others.copies), median(others.todays)
            rows = _alone(answers, copy, today) + await _minute(asked, history) + await _crowds(asked, history)
        kept = await rows_kept(connection)
    rows.append(at_most("rows kept per event, keyframes included", kept, 1.6, f"{kept:.2f}", "1.6"))
    note = f"{size.entities:,} entities, {size.events:,} events of 1 KB over {size.days} days, {size.shards} shards"
    drawn = {"answers": [one.seconds for one in answers], "first": [one.first for one in answers]}
    return Part("Answers", note, rows, {**drawn, "copy": copy, "today": today})


async def _beside(asked: Worker, others: Peers, number: int, at: int) -> Answer:
    """One answer right after a COPY, and now and then before today's way: the machine's speed changes."""
    await others.copy()
    answer = await asked.state(at)
    if number % 6 == 3:
        await others.todays_way(at)
    return answer


def _random(history: Made, seed: int, count: int) -> list[int]:
    """Instants at which every entity had been created."""
    filled, rng = history.filled, random.Random(seed)
    return [rng.randrange(filled.start + (filled.end - filled.start) // 10, filled.end) for _ in range(count)]


async def _one_after_the_other(asked: Worker, instants: list[int]) -> list[Answer]:
    return [await asked.state(at) for at in instants]


def _good(answers: list[Answer]) -> bool:
    return all(answer.status == 200 for answer in answers)


def _alone(answers: list[Answer], copy: float, today: float) -> list[Row]:
    assert _good(answers)
    whole = sorted(answer.seconds for answer in answers)
    middle, worst, first = median(whole), whole[-1], max(answer.first for answer in answers)
    return [
        Row("answer", f"{answers[-1].bytes / 1e6:.0f} MB"),
        Row("plain COPY of the same rows to a file", f"{copy:.3f} s"),
        at_most("state, median of 20 instants", middle, 3 * copy, _times(middle, copy, "COPY"), "3 x"),
        at_most("state, worst of 20", worst, 4.5 * copy, _times(worst, copy, "COPY"), "4.5 x"),
        at_least("today's way", today, 10 * middle, f"{today:.3f} s = {today / middle:.1f} x ours", "10 x"),
        at_most("first byte, worst", first, 0.3, f"{first:.3f} s", "0.3 s"),
        at_most("worst instant to best", worst, 4 * whole[0], f"{worst / whole[0]:.1f} x", "4 x"),
    ]  # fmt: skip


def _times(seconds: float, peer: float, name: str) -> str:
    return f"{seconds:.3f} s = {seconds / peer:.1f} x {name}"


async def _minute(asked: Worker, history: Made) -> list[Row]:
    """Windows with as many events as a busy minute has, each asked for twice, compressed as browsers ask."""
    filled = history.filled
    length = (filled.end - filled.start) * MINUTE // history.size.events
    rng = random.Random(5)
    starts = [rng.randrange(filled.start, filled.end - length) for _ in range(10)]
    plain = [await asked.events(start, start + length) for start in starts]
    cold = [await asked.events(start, start + length, "zstd") for start in starts]
    kept = [await asked.events(start, start + length, "zstd") for start in starts]
    ms = {
        name: median(one.seconds for one in some) * 1000
        for name, some in (("plain", plain), ("cold", cold), ("kept", kept))
    }
    what, fine = f"{MINUTE:,} events ({plain[0].bytes / 1e6:.1f} MB), median of 10", _good([*plain, *cold, *kept])
    return [
        at_most(f"{what}, cold", ms["plain"], 150, f"{ms['plain']:.0f} ms", "150 ms", fine=fine),
        at_most("the same, zstd, cold", ms["cold"], 150, f"{ms['cold']:.0f} ms", "150 ms", fine=fine),
        at_most("the same, zstd, cached", ms["kept"], 15, f"{ms['kept']:.1f} ms", "15 ms", fine=fine),
    ]


async def _crowds(asked: Worker, history: Made) -> list[Row]:
    """Fifty at once, at one instant and at fifty."""
    [one] = _random(history, 7, 1)
    last, failed = await _crowd(asked, [one] * USERS)
    apart, lost = await _crowd(asked, _random(history, 8, USERS))
    return [
        at_most(
            f"{USERS} users at once, the same instant, zstd: last answer", last, 6,
            f"{last:.1f} s, {failed} failed", "6 s, none failing", fine=not failed,
        ),
        at_most(
            f"{USERS} users at once, different instants, zstd: last answer", lost, 1,
            f"{apart:.1f} s, {lost} failed", "none failing", fine=not lost,
        ),
    ]  # fmt: skip


async def _crowd(asked: Worker, instants: list[int]) -> tuple[float, int]:
    """When the last of many had all of its answer, and how many failed."""
    answers = await asyncio.gather(*(asked.state(at, f"user-{n}", "zstd") for n, at in enumerate(instants)))
    return max(one.seconds for one in answers), sum(one.status != 200 for one in answers)


async def measure_memory(where: Where) -> Part:
    """What a worker takes above what it has when idle, while it gives large answers."""
    async with made(where, LARGE) as history, history.worker() as asked:
        tell("asking for large answers")
        filled = history.filled
        await asked.state(filled.start + (filled.end - filled.start) // 100)
        idle = asked.resident()
        one, alone = await asked.memory(asked.state(filled.end))
        chosen = [filled.end - number for number in range(10)]
        ten, together = await asked.memory(asyncio.gather(*(asked.state(at, f"user-{at}") for at in chosen)))
    more = alone - idle
    return Part(
        "Memory",
        f"{LARGE.entities:,} entities, {one.bytes / 1e6:.0f} MB an answer; idle {idle:.0f} MB",
        [
            at_most("above idle during one answer", more, 64, f"{more:.0f} MB", "64 MB", fine=_good([one])),
            at_most("in all during 10 at once", together, 300, f"{together:.0f} MB", "300 MB", fine=_good(ten)),
        ],
    )


async def measure_growth(where: Where, size: Size, factors: list[int]) -> Part:
    """The median state with so many times the history; the full run begins at a tenth of its entities."""
    small = replace(QUICK, events=QUICK.events if size is FULL else QUICK.events // 10)
    medians: dict[int, float] = {}
    for factor in factors:
        async with made(where, replace(small, events=small.events * factor)) as history, history.worker() as asked:
            filled, rng = history.filled, random.Random(3)
            chosen = [rng.randrange((filled.start + filled.end) // 2, filled.end) for _ in range(20)]
            await asked.state(chosen[0])
            medians[factor] = median(answer.seconds for answer in await _one_after_the_other(asked, chosen))
    base = next(iter(medians.values()))
    return Part(
        "Growth",
        f"{small.entities:,} entities, median state of 20 instants",
        [
            at_most(
                f"{factor} x the history, {small.events * factor:,} events", seconds, 1.3 * base,
                f"{seconds:.3f} s = {seconds / base:.2f} x", "1.3 x",
            )
            for factor, seconds in medians.items()
        ],
    )  # fmt: skip
