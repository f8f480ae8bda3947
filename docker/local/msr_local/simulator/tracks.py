"""Moving along a polyline on the Earth. Pure geometry, exact enough for a few hundred kilometres."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import NamedTuple

METRES_PER_DEGREE = 111_195.0  # of latitude
METRES_PER_SECOND = 0.514444  # in a knot


class Waypoint(NamedTuple):
    """A place to pass, and how.

    Attributes:
        lon: Degrees east.
        lat: Degrees north.
        speed: Knots over ground.
        altitude: Feet; 0 at sea.
    """

    lon: float
    lat: float
    speed: float
    altitude: float = 0.0


class Fix(NamedTuple):
    """Where something is: degrees, feet, knots over ground, degrees from north."""

    lon: float
    lat: float
    altitude: float
    speed: float
    heading: float


def distance(a: Waypoint, b: Waypoint) -> float:
    """Metres between two places, on a plane tangent half-way."""
    east = (b.lon - a.lon) * math.cos(math.radians((a.lat + b.lat) / 2))
    return math.hypot(east, b.lat - a.lat) * METRES_PER_DEGREE


def bearing(a: Waypoint, b: Waypoint) -> float:
    """Degrees from north, 0 to 360, from one place to the other."""
    east = (b.lon - a.lon) * math.cos(math.radians((a.lat + b.lat) / 2))
    return math.degrees(math.atan2(east, b.lat - a.lat)) % 360.0


@dataclass(frozen=True)
class Track:
    """A named way, passed once from its first to its last waypoint.

    Attributes:
        name: What a controller would call it.
        points: At least two, no two neighbours in the same place, all with a speed above 0.
    """

    name: str
    points: tuple[Waypoint, ...]

    @cached_property
    def _passed(self) -> tuple[float, ...]:
        """Seconds after the start at which each waypoint is passed, the speed changing evenly between two."""
        legs = pairwise(self.points)
        seconds = (2 * distance(a, b) / ((a.speed + b.speed) * METRES_PER_SECOND) for a, b in legs)
        return tuple(accumulate(seconds, initial=0.0))

    @property
    def duration(self) -> float:
        """Seconds from the first to the last waypoint."""
        return self._passed[-1]

    def at(self, seconds: float) -> Fix:
        """Where one is after so many seconds; before the start and after the end: there."""
        moment = min(max(seconds, 0.0), self.duration)
        leg = next(n for n, end in enumerate(self._passed[1:]) if moment <= end)
        a, b = self.points[leg], self.points[leg + 1]
        whole = self._passed[leg + 1] - self._passed[leg]
        part = (moment - self._passed[leg]) / whole
        # evenly accelerated: the way done is not the time gone
        done = part * (2 * a.speed + (b.speed - a.speed) * part) / (a.speed + b.speed)
        return Fix(
            lon=a.lon + (b.lon - a.lon) * done,
            lat=a.lat + (b.lat - a.lat) * done,
            altitude=a.altitude + (b.altitude - a.altitude) * done,
            speed=a.speed + (b.speed - a.speed) * part,
            heading=bearing(a, b),
        )

    def back(self) -> Track:
        """The same way from its end."""
        return Track(f"{self.name} back", self.points[::-1])

    def beside(self, metres: float) -> Track:
        """The same way, so many metres further north: ships in a lane are no string of pearls."""
        north = metres / METRES_PER_DEGREE
        return Track(self.name, tuple(point._replace(lat=point.lat + north) for point in self.points))


def circle(name: str, centre: Waypoint, radius: float, turns: int = 1, corners: int = 24) -> Track:
    """Round a place: a holding pattern, or a ship that swings at anchor.

    Args:
        name: The track's.
        centre: The place; speed and altitude are kept.
        radius: Metres.
        turns: How often round.
        corners: Of the polygon.
    """
    lat = radius / METRES_PER_DEGREE
    lon = lat / math.cos(math.radians(centre.lat))
    angles = [2 * math.pi * n / corners for n in range(corners * turns + 1)]
    return Track(
        name,
        tuple(
            centre._replace(lon=centre.lon + lon * math.sin(angle), lat=centre.lat + lat * math.cos(angle))
            for angle in angles
        ),
    )
