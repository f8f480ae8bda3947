"""The whole story, tick by tick: who moves, what happens, and how much of everything.

Pure, and the same for the same seed and rate.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

from msr_local.simulator.changes import Batch, Change, Insert, Purge, Update, size
from msr_local.simulator.incidents import Incidents
from msr_local.simulator.traffic import Traffic

TICK = 0.25  # seconds of the story from one transaction to the next
MOVES = 1.0  # seconds between two positions of the same craft
BATCH_EVERY = 8  # ticks between two batches of sensor plots
PLOTS_STAY = 6.0  # seconds; until the first ones go, a high rate is not reached
STATIONS = ("Changi", "Seletar", "Sentosa", "Pulau Ubin", "Tuas", "Raffles Lighthouse", "Horsburgh")
PLOT_COLUMNS = ("plot_id", "tenant_id", "sensor", "lon", "lat", "amplitude", "raw", "plotted_at")


class Story:
    """Everything that goes on about Singapore.

    Args:
        seed: Of chance; the same seed tells the same story.
        start: The time of its second 0.
        rate: Rows changed per second, on average. Below what moving once a second takes, everything moves
            less often; what is left above it goes into sensor plots.
    """

    def __init__(self, seed: int, start: datetime, rate: float = 400.0) -> None:
        self._random = Random(seed)
        self._start = start
        self._per_tick = rate * TICK
        self._ticks = 0
        self._next_craft = 0
        self._due = 0.0  # moves that the rate allows, and that have not happened yet
        self._plot = 1  # the number of the next one
        self._plotted: list[tuple[float, int]] = []  # batches not purged yet: when, and the number after its last
        self._purged = 1
        self._credit = 0.0  # rows that the rate asks for, and nothing has used yet
        self.traffic = Traffic(self._random, start)
        self.incidents = Incidents(self._random, start, every=max(6.0, 600.0 / max(rate, 1.0)))

    @property
    def second(self) -> float:
        """How much of it has been told, in seconds."""
        return self._ticks * TICK

    def initial(self) -> list[Insert]:
        """The rows at its second 0."""
        return [*self.traffic.initial(), *self.incidents.initial(), *self._shared()]

    def tick(self) -> list[Change]:
        """What happens next, to be written in one transaction."""
        self._ticks += 1
        self._credit += self._per_tick
        changes: list[Change] = [*self.incidents.step(self.second)]
        if self._ticks % int(10 / TICK) == 0:
            changes += self._weather()
        moves = list(self._moves())
        self._credit -= len(moves) + sum(map(size, changes))
        plots = list(self._plots()) if self._ticks % BATCH_EVERY == 0 else []
        return [*moves, *changes, *plots]

    def _moves(self) -> Iterator[Change]:
        """As many as the rate allows, in turn."""
        crafts = self.traffic.crafts
        self._due = min(self._due + self._per_tick, len(crafts) * TICK / MOVES + self._due % 1)
        count = int(self._due)
        self._due -= count
        turn = [(self._next_craft + n) % len(crafts) for n in range(count)]
        self._next_craft = (self._next_craft + count) % len(crafts)
        yield from self.traffic.move([crafts[number] for number in turn], self.second)

    def _plots(self) -> Iterator[Change]:
        """Old plots go, and new ones come by COPY, as many as the rate still wants."""
        while self._plotted and self._plotted[0][0] <= self.second - PLOTS_STAY:
            _, last = self._plotted.pop(0)
            yield Purge("air.plot", "plot_id", self._purged, last)
            self._purged = last
        count = int(self._credit / 2)  # each will also be deleted
        if count > 0:
            self._credit -= 2 * count
            rows = tuple(self._one_plot(self._plot + n) for n in range(count))
            self._plot += count
            self._plotted.append((self.second, self._plot))
            yield Batch("air.plot", PLOT_COLUMNS, rows)

    def _one_plot(self, number: int) -> tuple[Any, ...]:
        random = self._random
        return (
            number,
            "t1" if number % 2 else "t2",
            f"radar-{number % 5}",
            round(random.uniform(102.5, 105.5), 6),
            round(random.uniform(0.2, 2.6), 6),
            round(random.random(), 4),
            random.randbytes(24),
            self._time(),
        )

    def _shared(self) -> Iterator[Insert]:
        """What everybody sees: no tenant."""
        for station in STATIONS:
            yield Insert("ops.weather", {"station": station}, self._observation())
        for number, name in enumerate(("WSP-1", "WSD-2", "WSR-38", "WSD-20", "WSP-7")):
            box = [[103.5 + number / 10, 1.1], [103.7 + number / 10, 1.1], [103.6 + number / 10, 1.4]]
            values = {
                "floor_ft": 0,
                "ceiling_ft": 3000 + 2000 * number,
                "active": bool(number % 2),
                "boundary": json.dumps({"type": "Polygon", "coordinates": [[*box, box[0]]]}),
            }
            yield Insert("air.airspace", {"code": name}, values)

    def _weather(self) -> Iterator[Change]:
        for station in STATIONS:
            yield Update("ops.weather", {"station": station}, self._observation())
        code = self._random.choice(("WSP-1", "WSD-2", "WSR-38"))
        yield Update("air.airspace", {"code": code}, {"active": self._random.random() < 0.5})

    def _observation(self) -> dict[str, Any]:
        random = self._random
        return {
            "wind_kn": round(random.gammavariate(4, 2), 1),
            "rain_mm": round(random.expovariate(2), 2),
            "gusts": [round(random.gammavariate(5, 2), 1) for _ in range(4)],
            "readings": json.dumps({"qnh": random.randint(1004, 1014), "temperature": round(random.gauss(29, 2), 1)}),
            "observed_at": self._time(),
        }

    def _time(self) -> datetime:
        return self._start + timedelta(seconds=self.second)
