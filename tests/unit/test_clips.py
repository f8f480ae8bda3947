"""Clips as files, without a database: what they hold comes out again, memory stays bounded, broken ones are told."""

from __future__ import annotations

import io
import json
import random
import re

import pytest
from mcap.stream_reader import StreamReader
from pyarrow import parquet as pq

from msr_stream.clips.clip import Part, header, lines_of
from msr_stream.clips.encoding import Encoder
from msr_stream.clips.formats import MEDIA_TYPES, Format, encoder
from msr_stream.clips.parquet import GROUP_BYTES, GROUP_ROWS
from msr_stream.clips.reading import Clip
from msr_stream.errors import ClipError
from msr_stream.instants import SECOND, render
from msr_stream.store import queries
from tests.unit.building import NOON
from web.export import _file_name

FORMATS: list[Format] = ["ndjson", "geojson", "czml", "parquet", "mcap"]
START, END = NOON, NOON + 3600 * SECOND
HEADER = header("t1", (START, END), END, ["s.gone"], {"filter_tables": ["s.x"]})


def lines(count: int, at: int, op: str = "c", size: int = 1000) -> bytes:
    """Rows as answers read them; their text does not compress."""
    rows = []
    for number in range(count):
        filling = random.Random(number).randbytes(size // 2).hex()
        state = f'{{"lon":103.8,"lat":1.1,"price":1.10,"huge":1e400,"text":"{filling}"}}'
        rows.append(
            f',{{"entity_id":"{op}{number}","entity_state":{state},"op":"{op}",'
            f'"event_timestamp":"{render(at + number)}","source_timestamp":"{render(at - 5)}",'
            f'"table_name":"s.t","unavailable_fields":["a","b"]}}\n'
        )
    return "".join(rows).encode()


def whole(clip: Encoder, state: bytes, events: bytes) -> bytes:
    return clip.begin() + clip.rows(Part.STATE, state) + clip.rows(Part.EVENT, events) + clip.end()


def opened(content: bytes) -> Clip:
    return Clip(io.BufferedReader(io.BytesIO(content)))


@pytest.mark.parametrize("kind", ["ndjson", "mcap"])
def test_what_went_in_comes_out(kind: Format) -> None:
    """Header, times, and the text of each row."""
    state, events = lines(3, START - 9), lines(5, START + 1, "u")
    clip = opened(whole(encoder(kind, HEADER), state, events))
    assert clip.header == HEADER
    assert (clip.start, clip.end) == (START, END)
    rows = list(clip.rows())
    assert [row.part for row in rows] == [Part.STATE] * 3 + [Part.EVENT] * 5
    for text, row in zip(lines_of(state + events), rows, strict=True):
        assert f'"entity_state":{row.state},"op":"{row.op}"'.encode() in text
        assert render(row.event_timestamp).encode() in text
        assert row.unavailable_fields == ["a", "b"]
        assert row.source_timestamp is not None


@pytest.mark.parametrize("kind", FORMATS)
def test_an_empty_clip_is_a_whole_file(kind: Format) -> None:
    content = whole(encoder(kind, HEADER), b"", b"")
    if kind in ("geojson", "czml"):
        json.loads(content)
    elif kind == "parquet":
        assert pq.ParquetFile(io.BytesIO(content)).metadata.num_rows == 0
    else:
        assert list(opened(content).rows()) == []


@pytest.mark.parametrize("kind", FORMATS)
def test_an_encoder_holds_a_bounded_number_of_rows(kind: Format) -> None:
    """What it was given since it last gave something on never grows with the clip."""
    clip = encoder(kind, HEADER)
    clip.begin()
    piece = lines(250, START + 1)
    held = given = 0
    for _ in range(100):
        held = 0 if clip.rows(Part.EVENT, piece) else held + len(piece)
        given += len(piece)
        assert held <= GROUP_BYTES + len(piece)
    assert given > 3 * GROUP_BYTES
    assert clip.tally.ending.count == 25_000


def test_parquet_is_written_in_row_groups() -> None:
    clip = encoder("parquet", HEADER)
    content = clip.begin()
    for size in (1000, 20):
        for number in range(100):
            content += clip.rows(Part.EVENT, lines(300, START + number, size=size))
    file = pq.ParquetFile(io.BytesIO(content + clip.end()))
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    assert sum(group.num_rows for group in groups) == file.metadata.num_rows == 60_000
    assert max(group.num_rows for group in groups) <= GROUP_ROWS + 300
    assert max(group.total_byte_size for group in groups) <= GROUP_BYTES + 400_000
    assert len(groups) >= 5


def test_the_count_is_the_last_thing_in_an_mcap_files_data() -> None:
    content = whole(encoder("mcap", HEADER), lines(2, START - 9), lines(2, START + 1))
    kinds = [type(record).__name__ for record in StreamReader(io.BytesIO(content), validate_crcs=True).records]
    assert kinds[kinds.index("DataEnd") - 1] == "Metadata"


def test_czml_hides_what_is_deleted_and_shows_it_again() -> None:
    """What a viewer that adds up packets must know, in the order of the events."""
    clip = encoder("czml", HEADER)
    events = b"".join(
        lines(1, START + at, op).replace(b'"entity_id":"d0"', b'"entity_id":"c0"') for at, op in enumerate("cdc", 1)
    )
    packets = json.loads(whole(clip, b"", events))
    shown = [packet["point"]["show"][0] for packet in packets[1:-1]]
    assert [interval["boolean"] for interval in shown] == [True, False, True]
    assert [interval["interval"] for interval in shown] == [f"{render(START + at)}/{render(END)}" for at in (1, 2, 3)]
    assert {packet["id"] for packet in packets[1:-1]} == {"s.t/c0"}


def test_czml_draws_what_is_first_seen_in_an_update() -> None:
    """A table whose earlier rows were left out, or not recorded."""
    packets = json.loads(whole(encoder("czml", HEADER), b"", lines(1, START + 1, "u")))
    assert packets[1]["point"] == {"pixelSize": 8}
    assert packets[1]["position"]["cartographicDegrees"] == [render(START + 1), 103.8, 1.1, 0]


def test_a_clip_is_asked_with_the_same_parameters_as_the_history() -> None:
    """What browsing asks the one is answered by the other's statement of the same name."""
    history, clip = queries.load("browsing"), queries.load("clips")
    both = set(history) & set(clip)
    assert both == {"entity", "entity_before"}
    for name in both:
        assert set(re.findall(r"\$\d", clip[name])) == set(re.findall(r"\$\d", history[name])), name


def test_every_statement_about_a_clip_is_about_that_clip_and_its_tenant() -> None:
    reading = {name: sql for name, sql in queries.load("clips").items() if "v_clip_event" in sql}
    assert {"state", "events", "counted_events", "counted_tables", "entity", "entity_before"} == set(reading)
    for sql in reading.values():
        scans = sql.count("v_clip_event")
        assert len(re.findall(r"clip_id = (?:\{clip\}|current_setting\('msr.clip'\)::uuid)", sql)) >= scans
        assert len(re.findall(r"tenant_id = (?:\{tenant\}|\$\d)", sql)) == scans


def test_every_format_has_the_media_type_that_the_description_names() -> None:
    assert {encoder(kind, HEADER).media_type for kind in FORMATS} == set(MEDIA_TYPES)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ((b'"op":"u"', b'"op":"x"'), "line 3: Invalid enum value 'x'"),
        ((b'"entity_state":{', b'"entity_state":[{'), "line 3: "),
        ((b'"entity_state":{"lon"', b'"entity_state":7,"x":{"lon"'), "line 3: Object contains unknown field"),
        ((b'"huge":1e400', b'"huge":"\\u0000"'), r"line 3: the row holds \u0000"),
        ((b'"entity_id":"u0"', b'"entity_id":"u\\u0000"'), "line 3: a text holds a NUL"),
        ((render(START + 1).encode(), b"yesterday"), "line 3: got 'yesterday'"),
        ((render(START + 1).encode(), render(END + 1).encode()), "line 3: .* is after the clip's end"),
        ((b'"event_timestamp"', b'"event_time"'), "line 3: Object "),
        ((b'"entity_id":"u0"', b'"entity_id":"\xff"'), "line 3: "),
    ],
)
def test_the_line_that_is_wrong_is_named(wrong: tuple[bytes, bytes], said: str) -> None:
    content = whole(encoder("ndjson", HEADER), lines(1, START - 9), lines(2, START + 1, "u"))
    before, after = content.split(b"\n")[:2], content.split(b"\n")[2:]
    assert wrong[0] in after[0]
    clip = opened(b"\n".join([*before, after[0].replace(*wrong, 1), *after[1:]]))
    with pytest.raises(ClipError, match=said.replace("\\u", "\\\\u")):
        list(clip.rows())


def test_events_must_be_in_order() -> None:
    content = whole(encoder("ndjson", HEADER), b"", lines(1, START + 9) + lines(1, START + 8))
    with pytest.raises(ClipError, match=r"^line 3: .* before the event before it$"):
        list(opened(content).rows())


@pytest.mark.parametrize("kind", ["ndjson", "mcap"])
def test_a_file_cut_anywhere_is_no_clip(kind: Format) -> None:
    content = whole(encoder(kind, HEADER), lines(2, START - 9, size=20), lines(3, START + 1, "u", size=20))
    for length in range(len(content)):
        with pytest.raises(ClipError):
            list(opened(content[:length]).rows())
    assert len(list(opened(content).rows())) == 5


def test_a_file_with_a_changed_byte_is_no_mcap_clip() -> None:
    """Its checksums tell."""
    content = bytearray(whole(encoder("mcap", HEADER), b"", lines(200, START + 1)))
    content[len(content) // 2] ^= 1
    with pytest.raises(ClipError):
        list(opened(bytes(content)).rows())


def test_file_names_are_for_every_file_system() -> None:
    assert re.fullmatch(r"msr-\d{8}T\d{6}Z-\d{8}T\d{6}Z\.mcap", _file_name((START, END), "mcap"))
