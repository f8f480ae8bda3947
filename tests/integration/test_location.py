"""Parts of the Earth: where a row says it is, whichever way, and what of the past lies in a region."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from math import asin, cos, radians, sin, sqrt
from typing import Any

import pytest

from msr_stream.instants import SECOND, now
from msr_stream.regions import Box, Circle
from msr_stream.replay import Filter
from msr_stream.settings import Settings
from msr_stream.store import activity
from tests.integration.test_sources_admin import settle
from tests.unit.test_positions import FOUND, HERE, NOT_FOUND
from tests.world import World, world

HOME = Box(103, 1, 105, 2)


@pytest.fixture
async def earth(settings: Settings) -> AsyncIterator[World]:
    async with world(settings) as w:
        w.settler._lateness = 0
        await w.own()
        yield w


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(row["entity_id"] for row in rows)


async def test_the_database_finds_a_location_where_an_export_finds_it(earth: World) -> None:
    """The same rows, found and not found; nothing in a row is an error."""
    for row in FOUND:
        [found] = await earth.fetch("SELECT location_of($1)", json.dumps(row))
        assert found[0] is not None, row
        assert (found[0].x, found[0].y) == pytest.approx(HERE, abs=1e-12), row
    for row in NOT_FOUND:
        assert (await earth.fetch("SELECT location_of($1)", json.dumps(row)))[0][0] is None, row
    for text in (
        '{"lat":1e400,"lon":1e400}',
        '{"g":{"type":"Point","coordinates":[1e400,1]}}',
        '["lat"]',
        "7",
        '{lat"',
    ):
        assert (await earth.fetch("SELECT location_of($1)", text))[0][0] is None, text


async def test_a_state_holds_what_is_in_the_region_then_and_nothing_that_has_left(earth: World) -> None:
    """The last event of an entity says where it is; one that is nowhere is in no region."""
    earth.send({"id": 1, "tenant_id": "t1", "lon": 103.8, "lat": 1.35})
    earth.send({"id": 2, "tenant_id": "t1", "lon": 104, "lat": 1.5})
    earth.send({"id": 3, "tenant_id": "t1", "lon": 10, "lat": 50})
    earth.send({"id": 4, "tenant_id": "t1", "name": "nowhere"})
    earth.send({"id": 5, "tenant_id": "t2", "lon": 103.8, "lat": 1.35})
    await earth.flushed()
    before = await settle(earth)
    earth.send({"id": 2, "tenant_id": "t1", "lon": 110, "lat": 1.5}, op="u")
    earth.send({"id": 3, "tenant_id": "t1", "lon": 103.9, "lat": 1.4}, op="u")
    earth.send({"id": 1, "tenant_id": "t1", "lon": 103.8, "lat": 1.35}, op="d")
    await earth.flushed()
    after = await settle(earth)
    chosen = Filter(region=HOME)
    assert ids(await earth.state("t1", before, chosen)) == ["1", "2"]
    assert ids(await earth.state("t1", after, chosen)) == ["3"]
    told = await earth.events("t1", before, after, chosen)
    assert [(event["entity_id"], event["op"]) for event in told] == [("3", "u"), ("1", "d")]
    both = Filter(region=HOME, fields=("id",), only=("s.t",))
    assert [row["entity_state"] for row in await earth.state("t1", after, both)] == [{"id": 3}]


async def test_a_box_may_lie_across_the_meridian_of_180_degrees(earth: World) -> None:
    for number, lon in enumerate((179.5, -179.5, 180, -180, 0, 169.9, -169.9)):
        earth.send({"id": number, "tenant_id": "t1", "lon": lon, "lat": -40})
    await earth.flushed()
    at = await settle(earth)
    assert ids(await earth.state("t1", at, Filter(region=Box(170, -50, -170, -30)))) == ["0", "1", "2", "3"]
    assert ids(await earth.state("t1", at, Filter(region=Box(-170, -50, 170, -30)))) == ["4", "5", "6"]


async def test_near_is_measured_along_the_great_circle(earth: World) -> None:
    """Also across 180 degrees and over the pole."""
    places = [(103.8, 1.35), (103.9, 1.35), (179.99, 60), (-179.99, 60), (0, 89.9), (180, 89.9)]
    for number, (lon, lat) in enumerate(places):
        earth.send({"id": number, "tenant_id": "t1", "lon": lon, "lat": lat})
    await earth.flushed()
    at = await settle(earth)
    for centre in places:
        distances = {str(number): haversine(centre, place) for number, place in enumerate(places)}
        for radius in (1.0, 11_200.0, 30_000.0):
            found = ids(await earth.state("t1", at, Filter(region=Circle(*centre, radius))))
            assert found == sorted(number for number, metres in distances.items() if metres <= radius)


def haversine(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Metres on a sphere of the Earth's mean radius."""
    (east, north), (other_east, other_north) = a, b
    part = sin(radians(other_north - north) / 2) ** 2
    part += cos(radians(north)) * cos(radians(other_north)) * sin(radians(other_east - east) / 2) ** 2
    return 2 * 6_371_008.8 * asin(min(1, sqrt(part)))


async def test_tables_say_where_the_location_stands_and_what_the_key_is(earth: World) -> None:
    earth.send({"id": 7, "tenant_id": "t1", "pos_lat": 1.35, "pos_lng": 103.8})
    await earth.flushed()
    at = await settle(earth)
    async with earth.replay.snapshot("t1", at) as snapshot:
        [table] = await activity.tables(snapshot, at)
    assert table["location"] == {"kind": "lonlat", "columns": ["pos_lng", "pos_lat"]}
    assert table["key"] == ["id"]
    earth.send({"id": 8, "tenant_id": "t1", "name": "nowhere"})
    await earth.flushed()
    at = await settle(earth)
    async with earth.replay.snapshot("t1", at) as snapshot:
        assert (await activity.tables(snapshot, at))[0]["location"] is None
    assert at > now() - 60 * SECOND
