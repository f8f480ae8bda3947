"""A position is found whichever way a table keeps it, and nothing is made up where there is none."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest

from msr_stream.clips.positions import Position, position_of

HERE = Position(103.8, 1.35)


def wkb(lon: float = 103.8, lat: float = 1.35, *, srid: int | None = None, kind: int = 1, order: str = "<") -> bytes:
    """A point as PostGIS writes it."""
    head = struct.pack(f"{order}BI", order == "<", kind | (0x20000000 if srid is not None else 0))
    return head + (struct.pack(f"{order}I", srid) if srid is not None else b"") + struct.pack(f"{order}dd", lon, lat)


def debezium(data: bytes, srid: Any = 4326) -> dict[str, Any]:
    return {"wkb": base64.b64encode(data).decode(), "srid": srid}


def find(row: dict[str, Any]) -> Position | None:
    return position_of(json.dumps(row).encode())


#: Rows that say that they are here, in every way.
FOUND: list[dict[str, Any]] = [
    {"lat": 1.35, "lon": 103.8},
    {"id": 1, "LATITUDE": "1.35", "Longitude": "103.80"},
    {"pos_lat": 1.35, "pos_lng": 103.8, "other_lat": 5},
    {"lat": 1.35, "long": 12345678901234567890, "lon": 103.8},
    {"lat": 1.35, "long": 103.8},
    {"geojson": {"type": "Point", "coordinates": [103.8, 1.35, 12]}},
    {"geojson": json.dumps({"type": "Point", "coordinates": [103.8, 1.35]})},
    {"geom": "POINT (103.8 1.35)"},
    {"geom": "SRID=4326;POINT Z (103.8 1.35 7)"},
    {"geom": "point(1.038e2 +1.35)"},
    {"geom": wkb().hex()},
    {"geom": wkb(srid=4326).hex().upper()},
    {"geom": wkb(srid=4326, order=">").hex()},
    {"geom": (wkb(kind=1001) + struct.pack("<d", 7)).hex()},
    {"geom": debezium(wkb())},
    {"geom": debezium(wkb(srid=4326), None)},
    {"lat": None, "lon": None, "geom": debezium(wkb())},
    {"at": {"type": "Feature", "geometry": {"type": "Point", "coordinates": [103.8, 1.35]}}},
    {"area": {"type": "Polygon", "coordinates": [[[1, 2]]]}, "at": {"type": "Point", "coordinates": [103.8, 1.35]}},
]
#: Rows that say nothing, or nothing that can be.
NOT_FOUND: list[dict[str, Any]] = [
    {},
    {"id": 1, "name": "lat"},
    {"lat": 1.35},
    {"lat": 91, "lon": 103.8},
    {"lat": 1.35, "lon": -180.1},
    {"lat": "north", "lon": "east"},
    {"lat": True, "lon": False},
    {"lat": "nan", "lon": "nan"},
    {"lat": [1.35], "lon": {"x": 103.8}},
    {"pos_lat": 1.35, "old_lon": 103.8},
    {"geojson": {"type": "LineString", "coordinates": [[103.8, 1.35], [1, 2]]}},
    {"geojson": {"type": "Point", "coordinates": []}},
    {"geojson": {"type": "Point", "coordinates": ["x", None]}},
    {"geojson": '{"type":"Point","coordinates":'},
    {"geom": "POINT EMPTY"},
    {"geom": "POINT (103.8)"},
    {"geom": "SRID=3857;POINT (103.8 1.35)"},
    {"geom": wkb(srid=3857).hex()},
    {"geom": wkb(kind=2).hex()},
    {"geom": wkb(float("nan"), float("nan")).hex()},
    {"geom": wkb().hex()[:-3]},
    {"geom": debezium(wkb(), 3414)},
    {"geom": debezium(wkb()[:9])},
    {"geom": {"wkb": "not base64!", "srid": 4326}},
    {"geom": {"wkb": 7, "srid": [4326]}},
]


@pytest.mark.parametrize("row", FOUND)
def test_a_position_is_found(row: dict[str, Any]) -> None:
    assert find(row) == HERE


@pytest.mark.parametrize("row", NOT_FOUND)
def test_what_is_no_position_is_none(row: dict[str, Any]) -> None:
    """Malformed, no point, off the Earth, or in another reference system."""
    assert find(row) is None


@pytest.mark.parametrize(
    "text", [b'{"lat":1e400,"lon":1e400}', b'{"g":{"type":"Point","coordinates":[1e400,1]}}', b"{", b"[1]"]
)
def test_text_that_python_has_no_number_for_is_no_position(text: bytes) -> None:
    assert position_of(text) is None
