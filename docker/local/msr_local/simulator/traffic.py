"""Aircraft and vessels: they come, move, and are gone. Pure, and the same for the same seed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from msr_local.simulator import routes
from msr_local.simulator.changes import Change, Delete, Insert, Update
from msr_local.simulator.tracks import Fix, Track, circle

AIRLINES = ("SIA", "TGW", "JSA", "MAS", "AXM", "GIA", "THA", "CPA", "QFA", "UAE")
TYPES = ("A359", "B78X", "A21N", "A320", "B738", "A388", "B77W", "AT76")
PORTS = ("SGSIN", "MYPKG", "CNSHA", "IDJKT", "HKHKG", "VNSGN", "AEJEA", "NLRTM")
NAMES = (
    "Ever",
    "Pacific",
    "Straits",
    "Temasek",
    "Kranji",
    "Merlion",
    "Ocean",
    "Lion",
    "Raffles",
    "Sembawang",
)
NOUNS = ("Grace", "Pioneer", "Star", "Harmony", "Voyager", "Orchid", "Spirit", "Dawn", "Trader", "Falcon")


@dataclass(slots=True)
class Craft:
    """Something that moves.

    Attributes:
        number: Its place among all craft, for ever; whoever comes after it takes it.
        table: `air.flight` or `sea.vessel`.
        key: Its row's.
        track: The way it goes.
        since: The story's second at which it was at the track's start.
        returns: It goes back and forth, and never leaves.
    """

    number: int
    table: str
    key: dict[str, Any]
    track: Track
    since: float
    returns: bool = False

    def at(self, second: float) -> Fix:
        """Where it is."""
        gone = second - self.since
        if self.returns:
            there, rest = divmod(gone, self.track.duration)
            return (self.track.back() if int(there) % 2 else self.track).at(rest)
        return self.track.at(gone)

    def has_left(self, second: float) -> bool:
        """Whether it reached the end of its way."""
        return not self.returns and second - self.since >= self.track.duration


class Traffic:
    """All craft, in a fixed order.

    Args:
        random: Where chance comes from.
        start: The time of the story's second 0.
        aircraft: How many there are at any time.
        vessels: Likewise.
    """

    def __init__(self, random: Random, start: datetime, aircraft: int = 140, vessels: int = 220) -> None:
        self._random = random
        self._start = start
        self._serial = 0
        self.crafts: list[Craft] = []
        self._rows: list[Insert] = []
        for number in range(aircraft + vessels):
            craft, row = self._flight(number, 0.0) if number < aircraft else self._vessel(number, 0.0)
            craft.since = -random.random() * craft.track.duration  # everybody is somewhere on the way
            self.crafts.append(craft)
            self._rows.append(Insert(row.table, row.key, {**row.values, **self._motion(craft, 0.0)}))

    def initial(self) -> list[Insert]:
        """The rows at the story's second 0."""
        return list(self._rows)

    def move(self, crafts: list[Craft], second: float) -> Iterator[Change]:
        """New positions; who has left is replaced by somebody else.

        Args:
            crafts: Those that report now.
            second: The story's.
        """
        for craft in crafts:
            if craft.has_left(second):
                yield Delete(craft.table, craft.key)
                make = self._flight if craft.table == "air.flight" else self._vessel
                new, row = make(craft.number, second)
                self.crafts[craft.number] = new
                yield Insert(row.table, row.key, {**row.values, **self._motion(new, second)})
            else:
                yield Update(craft.table, craft.key, self._motion(craft, second))

    def _motion(self, craft: Craft, second: float) -> dict[str, Any]:
        fix = craft.at(second)
        lon, lat = round(fix.lon, 6), round(fix.lat, 6)
        values: dict[str, Any] = {
            "lon": lon,
            "lat": lat,
            "speed_kn": Decimal(f"{fix.speed:.1f}"),
            "heading_deg": Decimal(f"{fix.heading:.1f}"),
            "geojson": json.dumps({"type": "Point", "coordinates": [lon, lat]}),
            "updated_at": self._start + timedelta(seconds=round(second, 3)),
        }
        if craft.table == "air.flight":
            return {**values, "altitude_ft": round(fix.altitude), "status": _phase(craft.track, fix)}
        return {**values, "status": "at anchor" if fix.speed < 1 else "under way"}

    def _flight(self, number: int, second: float) -> tuple[Craft, Insert]:
        random, serial = self._random, self._next()
        ways = random.choices((routes.DEPARTURES, routes.ARRIVALS, routes.SELETAR, routes.OVERFLIGHTS), (5, 5, 2, 2))[0]
        track = random.choice(ways)
        callsign = f"{random.choice(AIRLINES)}{random.randint(10, 999)}"
        if ways is routes.SELETAR:
            callsign = f"9V-{''.join(random.choices('ABCDEFGHJKLMNPRSTUVWXYZ', k=3))}"
        key = {"flight_id": f"{callsign}/{serial}"}
        values = {
            "tenant_id": "t1" if number % 3 else "t2",
            "callsign": callsign,
            "aircraft_type": random.choice(TYPES),
            "squawk": f"{random.randrange(8**4):04o}",
            "route": [track.name, *random.sample(PORTS, 2)],
            "details": json.dumps({"souls": random.randint(2, 400), "fuel": {"kg": random.randint(900, 90000)}}),
        }
        return Craft(number, "air.flight", key, track, second), Insert("air.flight", key, values)

    def _vessel(self, number: int, second: float) -> tuple[Craft, Insert]:
        random, serial = self._random, self._next()
        kind = random.choices(("cargo", "tanker", "ferry", "anchored"), (8, 5, 3, 4))[0]
        if kind == "ferry":
            track, returns = random.choice(routes.FERRIES), True
        elif kind == "anchored":
            place = random.choice(routes.ANCHORAGES)
            where = place._replace(lon=place.lon + random.gauss(0, 0.012), lat=place.lat + random.gauss(0, 0.008))
            track, returns = circle("at anchor", where, random.uniform(40, 120)), True
        else:
            track, returns = random.choice(routes.LANES).beside(random.gauss(0, 350)), False
        key = {"mmsi": 563_000_000 + serial}
        values = {
            "tenant_id": "t2" if number % 3 else "t1",
            "name": f"{random.choice(NAMES)} {random.choice(NOUNS)} {serial}",
            "kind": random.choice(("cargo", "tanker")) if kind == "anchored" else kind,
            "draught_m": Decimal(random.randint(20, 190)) / 10,
            "cargo_value": Decimal(random.randrange(10**19, 10**20)).scaleb(-4),  # 20 digits
            "ports": random.sample(PORTS, 3),
            "eta": self._start + timedelta(hours=random.randint(1, 300)),
        }
        return Craft(number, "sea.vessel", key, track, second, returns), Insert("sea.vessel", key, values)

    def _next(self) -> int:
        self._serial += 1
        return self._serial


def _phase(track: Track, fix: Fix) -> str:
    first, last = track.points[0].altitude, track.points[-1].altitude
    if first == last or abs(first - last) < 3000:
        return "cruising"
    if first < last:
        return "departing" if fix.altitude < 10000 else "climbing"
    return "approaching" if fix.altitude < 10000 else "descending"
