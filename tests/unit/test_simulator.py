"""The simulator's story and geometry: plausible, complete, and the same for the same seed."""

from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msr_local.simulator import routes
from msr_local.simulator.changes import Batch, Change, Delete, Insert, Purge, Update, size
from msr_local.simulator.story import TICK, Story
from msr_local.simulator.tracks import METRES_PER_SECOND, Track, Waypoint, bearing, circle, distance

START = datetime(2026, 5, 1, tzinfo=UTC)
WAYS = (*routes.DEPARTURES, *routes.ARRIVALS, *routes.SELETAR, *routes.OVERFLIGHTS, *routes.LANES, *routes.FERRIES)


def test_distance_and_bearing_are_those_of_the_earth() -> None:
    here = Waypoint(104.0, 1.3, 10)
    assert distance(here, here._replace(lat=2.3)) == pytest.approx(111_195)
    assert bearing(here, here._replace(lat=2.3)) == 0
    assert bearing(here, here._replace(lon=105.0)) == 90
    assert bearing(here, here._replace(lat=0.3)) == 180
    assert bearing(here, here._replace(lon=103.0)) == 270


def test_a_track_is_left_where_it_ends_and_takes_its_time() -> None:
    track = Track("north", (Waypoint(104, 1, 10), Waypoint(104, 1.1, 30, 1000)))
    assert track.duration == pytest.approx(11_119.5 / (20 * METRES_PER_SECOND))
    assert track.at(-5)[:2] == (104, 1)
    assert track.at(track.duration + 5)[:3] == pytest.approx((104, 1.1, 1000))
    assert track.at(track.duration / 2).speed == pytest.approx(20)
    assert track.at(track.duration / 2).lat < 1.05, "it is still slow in its first half"
    assert track.back().at(0)[:2] == (104, 1.1)


@given(st.sampled_from(WAYS), st.floats(0, 1))
def test_nobody_jumps(track: Track, part: float) -> None:
    """Between two seconds nothing goes further than its speed allows."""
    second = part * track.duration
    one, two = track.at(second), track.at(second + 1)
    gone = distance(Waypoint(one.lon, one.lat, 1), Waypoint(two.lon, two.lat, 1))
    assert gone <= (max(one.speed, two.speed) * METRES_PER_SECOND) * 1.01 + 0.01
    assert 0 <= one.heading < 360


def test_a_circle_comes_back() -> None:
    track = circle("hold", Waypoint(104, 1.3, 100, 2000), 5000, turns=2)
    assert track.at(0)[:2] == pytest.approx(track.at(track.duration)[:2])
    assert {round(distance(Waypoint(104, 1.3, 1), point)) for point in track.points} <= {4999, 5000, 5001}


def tell(seconds: float, rate: float = 400.0, seed: int = 1) -> list[list[Change]]:
    story = Story(seed, START, rate)
    return [story.tick() for _ in range(int(seconds / TICK))]


def test_the_same_seed_tells_the_same_story() -> None:
    assert Story(7, START).initial() == Story(7, START).initial()
    assert tell(60, seed=7) == tell(60, seed=7)
    assert tell(5, seed=7) != tell(5, seed=8)


@pytest.mark.parametrize("rate", [10, 50, 400, 2000])
def test_it_keeps_to_its_rate(rate: float) -> None:
    ticks = tell(120, rate)
    later = ticks[len(ticks) // 4 :]
    changed = sum(size(change) for tick in later for change in tick) / (len(later) * TICK)
    assert changed == pytest.approx(rate, rel=0.15, abs=4)


def test_everything_moves_once_a_second() -> None:
    moved = Counter(
        change.table for tick in tell(10) for change in tick if isinstance(change, Update) and "lon" in change.values
    )
    assert moved["air.flight"] == pytest.approx(1400, rel=0.02)
    assert moved["sea.vessel"] == pytest.approx(2200, rel=0.02)


def test_the_story_has_all_that_is_hard_to_record() -> None:
    changes = [change for tick in tell(400) for change in tick]
    updates = [change for change in changes if isinstance(change, Update)]
    inserts = [change for change in changes if isinstance(change, Insert)]
    deleted = {change.table for change in changes if isinstance(change, Delete)}
    assert deleted >= {"air.flight", "ops.assignment", "ops.incident"}
    assert any(isinstance(change, Batch) for change in changes)
    assert any(isinstance(change, Purge) for change in changes)
    assert any("unit_code" in change.values for change in updates), "a key change"
    handed = [change for change in updates if change.table == "ops.incident" and "tenant_id" in change.values]
    assert handed, "a row that moves to another tenant"
    reports = [change.values["report"] for change in inserts if change.table == "ops.incident"]
    assert all(20_000 <= len(text) <= 61_000 for text in reports)
    unchanged = [change for change in updates if change.table == "ops.incident" and "report" not in change.values]
    assert len(unchanged) > len(reports), "most updates leave the large text alone"
    assert {change.values["tenant_id"] for change in inserts if "tenant_id" in change.values} == {"t1", "t2"}


def test_the_story_makes_sense() -> None:
    """Played against a dictionary: nothing is updated before it is there, and no unit is in two places."""
    story = Story(3, START)
    world = {(row.table, tuple(row.key.values())) for row in story.initial()}
    for _ in range(int(300 / TICK)):
        for change in story.tick():
            if isinstance(change, Batch | Purge):
                continue
            name = (change.table, tuple(change.key.values()))
            assert (name in world) == (not isinstance(change, Insert)), change
            if isinstance(change, Insert):
                world.add(name)
            elif isinstance(change, Delete):
                world.remove(name)
            elif "unit_code" in change.values:
                world.remove(name)
                world.add((change.table, (change.values["unit_code"],)))
        units = sorted(key[1] for table, key in world if table == "ops.assignment")
        assert all(a != b for a, b in pairwise(units))
        assert {("ops.unit", (unit,)) for unit in units} <= world
