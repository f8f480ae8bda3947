"""Where an entity is: its position found in a row, whichever way the table keeps it. Pure.

Known ways, in this order: a pair of columns (`lat`, `lon` and their longer names, also with one prefix: `pos_lat`,
`pos_lon`); then the first column that holds a point: GeoJSON (RFC 7946) as an object or as text, well-known text
(`POINT (103.8 1.35)`, also with `SRID=4326;` before it), EWKB in hexadecimal as PostGIS writes it, or Debezium's
struct of a geometry (`{"wkb": base64, "srid": …}`). Degrees east and north; what is malformed, no point, in another
reference system or off the Earth is no position.
"""

from __future__ import annotations

import binascii
import math
import re
import struct
from base64 import b64decode
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import msgspec

from msr_stream.records.state import fields_of

#: The last part of a column's name says which half of a pair it is; what may mean something else comes last.
_LONGITUDES, _LATITUDES = ("longitude", "lon", "lng", "long"), ("latitude", "lat")
_PART = re.compile(r"(.*?)_?(lat|latitude|lon|lng|long|longitude)", re.IGNORECASE)
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_WKT = re.compile(rf"(?:SRID=(\d+);)?\s*POINT\s*(?:Z|M|ZM)?\s*\(\s*({_NUMBER})\s+({_NUMBER})[^()]*\)\s*", re.IGNORECASE)
_HEX_POINT = re.compile(r"0[01][0-9A-Fa-f]{40,82}")
#: WGS 84 and its like, or nothing said.
_SYSTEMS = frozenset({None, 0, 4326, 4979})
#: EWKB: in the type's upper bits stands what else there is (PostGIS, `liblwgeom.h`).
_HAS_SRID = 0x20000000


class Position(NamedTuple):
    """Degrees east and north, WGS 84."""

    lon: float
    lat: float


def position_of(state: bytes) -> Position | None:
    """The position that a row tells; `None`: none.

    Args:
        state: the row as JSON text.
    """
    try:
        fields = fields_of(state)
    except msgspec.DecodeError:
        return None
    found = (_pair(fields, lon, lat) for lon, lat in _pairs(tuple(fields)))
    return next((one for one in found if one), None) or next(_points(fields), None)


@lru_cache(maxsize=1024)
def _pairs(names: tuple[str, ...]) -> list[tuple[str, str]]:
    """Columns that are halves of one pair, longitude first."""
    halves: dict[str, dict[str, str]] = {}
    for name in names:
        if match := _PART.fullmatch(name):
            halves.setdefault(match[1].lower(), {})[match[2].lower()] = name
    return [
        (named[lon], named[lat])
        for named in halves.values()
        for lon, lat in product(_LONGITUDES, _LATITUDES)
        if lon in named and lat in named
    ]


def _pair(fields: Mapping[str, msgspec.Raw], lon: str, lat: str) -> Position | None:
    return _on_earth(_text(fields[lon]), _text(fields[lat]))


def _points(fields: Mapping[str, msgspec.Raw]) -> Iterator[Position]:
    """The points that columns hold, in order."""
    for raw in fields.values():
        value = bytes(raw)
        if value[:1] == b"{" and (b'"wkb"' in value or b'"coordinates"' in value):
            found = _of_object(_decoded(value))
        elif value[:1] == b'"' and len(value) > 8:
            found = _of_text(_text(raw))
        else:
            continue
        if found:
            yield found


def _of_text(text: str) -> Position | None:
    if text.lstrip()[:1] == "{":
        return _of_object(_decoded(text.encode()))
    if match := _WKT.fullmatch(text):
        return _on_earth(match[2], match[3]) if int(match[1] or 0) in _SYSTEMS else None
    return _of_wkb(binascii.unhexlify(text)) if _HEX_POINT.fullmatch(text) and len(text) % 2 == 0 else None


def _of_object(value: Any) -> Position | None:
    """A GeoJSON point, also as a feature's, or Debezium's struct."""
    if isinstance(value, dict) and value.get("type") == "Feature":
        value = value.get("geometry")
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("wkb"), str) and value.get("srid") in _SYSTEMS:
        try:
            return _of_wkb(b64decode(value["wkb"], validate=True))
        except ValueError:
            return None
    coordinates = value.get("coordinates")
    if value.get("type") == "Point" and isinstance(coordinates, list) and len(coordinates) >= 2:
        return _on_earth(coordinates[0], coordinates[1])
    return None


def _of_wkb(data: bytes) -> Position | None:
    """A point in (extended) well-known binary."""
    try:
        order = "<" if data[0] == 1 else ">"
        (kind,) = struct.unpack_from(f"{order}I", data, 1)
        at, srid = 5, None
        if kind & _HAS_SRID:
            (srid,) = struct.unpack_from(f"{order}I", data, at)
            at += 4
        if kind & 0xFFFF not in (1, 1001, 2001, 3001) or srid not in _SYSTEMS:
            return None
        return _on_earth(*struct.unpack_from(f"{order}dd", data, at))
    except (struct.error, IndexError):
        return None


def _on_earth(lon: object, lat: object) -> Position | None:
    if not all(isinstance(half, str | int | float) and not isinstance(half, bool) for half in (lon, lat)):
        return None
    try:
        found = Position(float(lon), float(lat))  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found.lon) and abs(found.lon) <= 180 and abs(found.lat) <= 90 else None


def _text(raw: msgspec.Raw) -> str:
    """A value as text: a JSON string without its quotes."""
    value = bytes(raw)
    if value[:1] != b'"':
        return value.decode()
    found: str = msgspec.json.decode(value, type=str)
    return found


def _decoded(text: bytes) -> Any:
    """JSON as Python has it; `None` if it is none, or holds a number that Python has not."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
