"""Clips exported over HTTP, on a real PostgreSQL: every format holds what was answered, or is not there at all."""

from __future__ import annotations

import io
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientError
from mcap.reader import make_reader
from pyarrow import parquet as pq

from msr_stream.clips.clip import Part, header
from msr_stream.clips.formats import encoder
from msr_stream.instants import DAY, SECOND, now, render
from msr_stream.settings import Settings
from tests.clip_site import Site, site, split
from tests.unit.building import NOON

#: `request["correlation_id"]` is short and known to every module of `web`.
pytestmark = pytest.mark.filterwarnings("ignore::aiohttp.web_exceptions.NotAppKeyWarning")


@pytest.fixture
async def told(settings: Settings, tmp_path: Path) -> AsyncIterator[Site]:
    async with site(settings, tmp_path) as found:
        yield found


async def test_ndjson_holds_the_rows_as_they_are_answered(told: Site) -> None:
    """The same text, byte by byte; a header that names no other tenant, and the count as last line."""
    lines = (await told.export("ndjson")).splitlines()
    header, ending = json.loads(lines[0]), json.loads(lines[-1])
    state, events = split(lines[1:-1], told.moments[1])
    assert (state, events) == await told.expected()
    assert header["msr_clip"] == 1
    assert (header["start"], header["end"]) == (render(told.moments[1]), render(told.moments[-2]))
    assert (header["tenant"], header["incomplete"], header["filters"]) == ("t1", [], {})
    assert ending == {"count": len(state) + len(events), "state": len(state), "events": len(events)}
    assert b"1e400" in lines[1] + lines[2] + lines[3]
    assert b"t2" not in b"".join(lines)
    assert b"theirs" not in b"".join(lines)


async def test_geojson_is_a_feature_collection_with_times(told: Site) -> None:
    body = await told.export("geojson")
    found = json.loads(body, parse_float=str, parse_int=str)
    state, events = await told.expected()
    rows = [feature["properties"] for feature in found["features"]]
    expected = [json.loads(row, parse_float=str, parse_int=str) for row in state + events]
    assert sorted(map(str, rows)) == sorted(map(str, expected))
    assert rows[len(state) :] == expected[len(state) :]
    places = {feature["properties"]["entity_id"]: feature["geometry"] for feature in found["features"]}
    assert places["shared"] is None
    assert places["raw"] == {"type": "Point", "coordinates": ["103.8", "1.32"]}
    assert found["msr_clip_end"] == {
        "count": str(len(rows)), "state": str(len(state)), "events": str(len(events)),
    }  # fmt: skip
    assert found["type"] == "FeatureCollection"


async def test_czml_moves_what_has_a_position_and_counts_what_has_not(told: Site) -> None:
    packets = json.loads(await told.export("czml"))
    state, events = await told.expected()
    assert packets[0]["id"] == "document"
    assert packets[0]["clock"]["interval"] == f"{render(told.moments[1])}/{render(told.moments[-2])}"
    counts = packets[-1]["properties"]
    without = sum(json.loads(row)["entity_id"] == "shared" for row in state + events)
    assert counts["count"] == len(state) + len(events)
    assert counts["rows_without_position"] == without
    moved = [packet["position"]["cartographicDegrees"] for packet in packets if packet["id"] == "s.t/raw"]
    assert moved[0] == [render(told.moments[1]), 103.8, 1.3, 0]
    assert [place[1:] for place in moved[1:]] == [[103.8, 1.31, 0], [103.8, 1.32, 0]]


async def test_parquet_is_a_table_with_header_and_count_in_its_metadata(told: Site) -> None:
    file = pq.ParquetFile(io.BytesIO(await told.export("parquet")))
    table = file.read()
    state, events = await told.expected()
    rows = table.to_pylist()
    found = [
        (row["part"], row["entity_id"], row["op"], row["entity_state"], row["event_timestamp"].timestamp())
        for row in rows
    ]
    assert [row[:3] for row in found[len(state) :]] == [
        ("event", row["entity_id"], row["op"]) for row in map(json.loads, events)
    ]
    for text, row in zip(events, rows[len(state) :], strict=True):
        assert row["entity_state"].encode() in text
        assert f'"event_timestamp":"{row["event_timestamp"]:%Y-%m-%dT%H:%M:%S.%f}Z"'.encode() in text
    assert {row[0] for row in found[: len(state)]} == {"state"}
    metadata = file.metadata.metadata
    assert json.loads(metadata[b"msr_clip"])["start"] == render(told.moments[1])
    assert json.loads(metadata[b"msr_clip_end"])["count"] == len(rows) == len(state) + len(events)


async def test_mcap_has_a_channel_for_each_table(told: Site) -> None:
    reader = make_reader(io.BytesIO(await told.export("mcap")), validate_crcs=True)
    found = [(channel.topic, message) for _, channel, message in reader.iter_messages(log_time_order=False)]
    state, events = split([message.data for _, message in found], told.moments[1])
    assert (state, events) == await told.expected()
    assert {topic for topic, _ in found} == {"s.t", "s.shared"}
    assert all(topic == json.loads(message.data)["table_name"] for topic, message in found)
    assert {message.log_time for _, message in found[: len(state)]} == {told.moments[1] * 1000}
    metadata = {record.name: record.metadata for record in reader.iter_metadata()}
    assert metadata["msr_clip"]["end"] == render(told.moments[-2])
    assert metadata["msr_clip_end"]["count"] == str(len(found))


async def test_filters_of_an_export_are_applied_and_told(told: Site) -> None:
    since = render(told.moments[3])
    content = await told.export("ndjson", filter_tables="s.shared", filter_min_timestamp=since)
    lines = content.splitlines()
    assert json.loads(lines[0])["filters"] == {"filter_tables": ["s.shared"], "filter_min_timestamp": [since]}
    assert not any(json.loads(line)["table_name"] == "s.shared" for line in lines[1:-1])
    assert len(lines) > 5


async def test_windows_and_formats_that_are_not_valid_are_refused(told: Site) -> None:
    start, end = render(told.moments[1]), render(told.moments[-2])
    for params, code in (
        ({"start": end, "end": start}, "INVALID_PLAYBACK_WINDOW"),
        ({"start": start}, "VALIDATION_FAILED"),
        ({"start": start, "end": end, "format": "csv"}, "VALIDATION_FAILED"),
        ({"start": start, "end": render(now() + DAY)}, "TIMESTAMP_OUT_OF_RANGE"),
        ({"start": render(now() - 400 * DAY), "end": end}, "INVALID_PLAYBACK_WINDOW"),
    ):
        status, body, _ = await told.ask("/replay/export", **params)
        assert (status, json.loads(body)["errorCode"]) == (400, code), params


def long_clip(rows: int) -> bytes:
    """A clip much longer than what lies between two ends of a connection, in every format."""
    start, end = NOON, NOON + 3600 * SECOND
    clip = encoder("ndjson", header("t1", (start, end), end, [], {}))
    name = "an entity with a long name " * 8
    lines = "".join(
        f',{{"entity_id":"{name}{number}","entity_state":{{"lat":1.{number},"lon":103.{number},'
        f'"text":"{os.urandom(600).hex()}"}},"op":"c","event_timestamp":"{clip.header.start}","table_name":"s.t"}}\n'
        for number in range(rows)
    )
    return clip.begin() + clip.rows(Part.STATE, lines.encode()) + clip.end()


async def test_an_export_that_fails_half_way_resets_the_connection(told: Site) -> None:
    """A file that was cut never looks complete: the database ends the reading after the first bytes have gone out."""
    source = await told.put(long_clip(30_000))
    headers = {**told._people["alice"], "Accept-Encoding": "identity"}
    window = {"start": render(NOON), "end": render(NOON + 3600 * SECOND), "source": source}
    for kind in ("ndjson", "geojson", "czml", "parquet", "mcap"):
        async with told.client.get("/replay/export", params={**window, "format": kind}, headers=headers) as answer:
            assert answer.status == 200
            assert await answer.content.readany()
            assert await told.w.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'msr replay%' AND state = 'active'"
            )
            with pytest.raises((ClientError, OSError)):
                await answer.read()
