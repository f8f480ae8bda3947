"""Parts of the Earth, as they are asked for. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple


class Box(NamedTuple):
    """Between two meridians and two parallels, degrees (RFC 7946, section 5); west of its east where it holds 180°."""

    west: float
    south: float
    east: float
    north: float

    @property
    def crosses_antimeridian(self) -> bool:
        """Whether it begins in the east and ends in the west (RFC 7946, section 5.2)."""
        return self.west > self.east


class Circle(NamedTuple):
    """What is no farther from a point than so many metres."""

    lon: float
    lat: float
    metres: float


Region = Box | Circle


def region_of(params: Mapping[str, str], problems: list[dict[str, Any]]) -> Region | None:
    """Read `bbox` (`west,south,east,north`) or `near` (`lon,lat,metres`); `None`: the whole Earth.

    Args:
        params: the query's parameters.
        problems: what is wrong with them is added to these.
    """
    if "bbox" in params and "near" in params:
        problems.append({"field": "near", "message": "bbox and near exclude each other"})
        return None
    if "bbox" in params:
        box = _numbers(params, "bbox", "west,south,east,north", problems)
        return _checked("bbox", Box(*box), _box_fault(Box(*box)), problems) if box else None
    if "near" in params:
        circle = _numbers(params, "near", "lon,lat,metres", problems)
        return _checked("near", Circle(*circle), _circle_fault(Circle(*circle)), problems) if circle else None
    return None


def _numbers(params: Mapping[str, str], name: str, form: str, problems: list[dict[str, Any]]) -> list[float] | None:
    parts = params[name].split(",")
    try:
        found = [float(part) for part in parts]
    except ValueError:
        found = []
    if len(found) == len(form.split(",")) and all(map(math.isfinite, found)):
        return found
    problems.append({"field": name, "message": f"{name}: got {params[name]!r}, wants {form} as numbers"})
    return None


def _checked(name: str, region: Region, fault: str | None, problems: list[dict[str, Any]]) -> Region | None:
    if fault is None:
        return region
    problems.append({"field": name, "message": f"{name}: {fault}"})
    return None


def _box_fault(box: Box) -> str | None:
    if abs(box.west) > 180 or abs(box.east) > 180:
        return "longitudes are from -180 to 180 degrees"
    if abs(box.south) > 90 or abs(box.north) > 90:
        return "latitudes are from -90 to 90 degrees"
    return "its south is north of its north" if box.south > box.north else None


def _circle_fault(circle: Circle) -> str | None:
    if abs(circle.lon) > 180 or abs(circle.lat) > 90:
        return "it is not on the Earth"
    return "its radius is negative" if circle.metres < 0 else None
