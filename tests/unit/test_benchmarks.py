"""The benchmark measures what it says: its records are events, its verdicts right, its figures land in their place."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from pathlib import Path

import pytest

from msr_stream.records.change import Change, Marker
from msr_stream.records.decode import Decoder
from tests.benchmarks.bench_ui import bounded
from tests.benchmarks.envelopes import MARKERS, PLAIN, TOAST, TOPIC, Source
from tests.benchmarks.filling import Size
from tests.benchmarks.moving import WINDOW, Fleet
from tests.benchmarks.place import Place
from tests.benchmarks.report import Part, Report, Row, at_least, at_most
from tests.unit.building import record


def test_records_and_markers_are_no_dead_letters() -> None:
    """Dead letters are quick to record; a rate of them would say nothing."""
    now = time.time_ns() // 1000
    for case in (PLAIN, TOAST):
        source, decoder = Source(case, 10), Decoder(TOPIC)
        ops = [_change(decoder, source.change(now)).op for _ in range(100)]
        assert ops[:10] == ["c"] * 10
        assert "u" in ops[10:]
        assert ("d" in ops) == bool(case.deletes)
        key, value = source.marker(now)
        assert Decoder(MARKERS).decode(record(value, key)) == Marker("bench", now)


def _change(decoder: Decoder, sent: tuple[bytes, bytes]) -> Change:
    key, value = sent
    decoded = decoder.decode(record(value, key))
    assert isinstance(decoded, Change)
    return decoded


def test_a_verdict_is_about_the_limit_and_about_failures() -> None:
    assert at_most("", 5, 5, "", "").verdict == "reached"
    assert at_most("", 5.1, 5, "", "").verdict == "**missed**"
    assert at_most("", 1, 5, "", "", fine=False).verdict == "**missed**"
    assert at_least("", 1.1, 1, "", "").verdict == "reached"
    assert at_least("", 0.9, 1, "", "").verdict == "**missed**"
    assert Row("", "").verdict == ""


def test_a_table_replaces_only_the_one_of_its_size(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("a\n<!-- quick -->\nold\n<!-- end of quick -->\nb\n<!-- full -->\nkept\n<!-- end of full -->\n")
    report = Report("quick", "PostgreSQL 18")
    report.add(Part("Part", "note", [Row("what", r"found \1", "wanted", 0.5)]))
    report.write(readme)
    text = readme.read_text()
    assert "old" not in text
    assert r"| what | found \1 | wanted | reached |" in text
    assert text.endswith("<!-- end of quick -->\nb\n<!-- full -->\nkept\n<!-- end of full -->\n")
    with pytest.raises(SystemExit, match="no place"):
        Report("other", "").write(readme)


def test_a_place_is_what_its_dsn_names() -> None:
    place = Place.of("postgresql://me:p%40ss@db.example:6543/history")
    assert place == Place("db.example", 6543, "history", "me", "p@ss")
    assert Place.of(place.dsn) == place
    assert place.environment()["DATABASE_PASSWORD"] == "p@ss"


def test_a_fleet_changes_each_of_its_entities_ten_times_in_the_window_and_each_moves_a_little() -> None:
    size, end = Size(entities=80, events=880, days=1), 2 * WINDOW
    fleet, changes, last = Fleet(3, size, 0, end), Counter[str](), dict[str, tuple[float, float]]()
    before = 0
    for row in fleet.rows():
        [found] = re.findall(rb"\{\"id\".*\}", row, re.DOTALL)
        state = json.loads(found)
        assert before < fleet.time <= end
        before = fleet.time
        if state["id"] in last:
            lon, lat = last[state["id"]]
            assert fleet.time > end - WINDOW
            assert 0 < (state["lon"] - lon) ** 2 + (state["lat"] - lat) ** 2 < 0.02**2
            changes[state["id"]] += 1
        else:
            assert fleet.time <= end - WINDOW
        last[state["id"]] = state["lon"], state["lat"]
    assert (fleet.position, fleet.live) == (220, 20)
    assert set(changes.values()) == {10}
    assert len(changes) == 20


def test_memory_is_bounded_if_hardly_more_is_left_in_the_last_third_of_the_time_than_in_the_middle_one() -> None:
    assert bounded("", [1, 2, 100, 900, 119, 1_000]).verdict == "reached"
    assert bounded("", [500, 2, 900, 100, 121, 122]).verdict == "**missed**"
