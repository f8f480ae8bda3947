"""Bad input is kept and named, odd input is recorded as it came, and the recorder goes on."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import psycopg
from msr_local.waiting import wait_until

from tests.acceptance.conftest import Scene

TOPIC = "demo.inputs.plain"
HEADERS = [("trace", b"\x00\xff raw"), ("empty", b"")]


def envelope(row: str, **changed: Any) -> bytes:
    """A change as Debezium sends it, without a place in the source's log; `row` is JSON text."""
    source = {"name": "demo", "schema": "inputs", "table": "plain", "snapshot": "false", "ts_us": 1_700_000_000_000_000}
    source |= {name: value for name, value in changed.items() if name in {"schema", "table", "ts_us"}}
    beginning = json.dumps({"before": None, "source": source, "op": changed.get("op", "c")})
    return f'{beginning[:-1]}, "after": {row}}}'.encode()


POISON: dict[str, tuple[bytes | None, bytes]] = {
    "NOT_JSON": (b'{"id":1}', b"{never closed"),
    "NO_KEY": (None, envelope('{"id":2}')),
    "NO_TABLE": (b'{"id":3}', envelope('{"id":3}', table="")),
    "NUL_CHARACTER": (b'{"id":4}', envelope('{"id":4,"text":"a\\u0000b"}')),
    "NOT_UTF8": (b'{"id":5}', envelope('{"id":5,"text":"@"}').replace(b"@", b"\xc3\x28")),
    "UNKNOWN_OPERATION": (b'{"id":6}', envelope('{"id":6}', op="x")),
    "TIME_OUT_OF_RANGE": (b'{"id":7}', envelope('{"id":7}', ts_us=3_093_527_980_799_000_000)),  # the year 99999
    "KEY_NOT_JSON": (b"\xff\xfe", envelope('{"id":8}')),
    "STATE_NOT_OBJECT": (b'{"id":9}', envelope("[9]")),
}
NUMBERS = '{"id":10,"n":123456789012345678901234567890,"x":1.10,"e":1e400,"z":-0,"u":"\\u00e9","s":"\\\\u0000"}'


def test_what_cannot_be_recorded_is_a_dead_letter_and_the_rest_is_recorded(scene: Scene) -> None:
    scene.only_worker()
    scene.write("CREATE SCHEMA inputs", "CREATE TABLE inputs.plain (id integer PRIMARY KEY, text text)")
    scene.write("INSERT INTO inputs.plain VALUES (0, 'the first')")
    wait_until(lambda: bool(scene.rows("inputs.plain")), 60, "the topic is recorded")
    records = [(key, value, HEADERS) for key, value in POISON.values()]
    scene.broker.produce(TOPIC, [*records, (b'{"id":10}', envelope(NUMBERS), [])])
    scene.write("INSERT INTO inputs.plain VALUES (11, 'the last')")
    wait_until(lambda: {"0", "10", "11"} <= scene.rows("inputs.plain").keys(), 60, "the others are recorded")

    wait_until(
        lambda: scene.query("SELECT count(*) FROM msr.dead_letter WHERE published_at IS NULL") == [(0,)], 30, "sent"
    )
    letters = scene.query(
        "SELECT code, reason, record_key, record_value, record_offset FROM msr.dead_letter ORDER BY 5"
    )
    assert [(code, (key, value)) for code, _, key, value, _ in letters] == list(POISON.items())
    copies = scene.broker.read("msr.dead_letter")
    assert [(copy.key, copy.value) for copy in copies] == list(POISON.values())
    for copy, (code, reason, _, _, offset) in zip(copies, letters, strict=True):
        assert list(copy.headers[:2]) == HEADERS
        added = {name: value.decode() for name, value in copy.headers[2:]}
        assert (added["msr.code"], added["msr.reason"]) == (code, reason)
        assert (added["msr.topic"], added["msr.partition"], added["msr.offset"]) == (TOPIC, "0", str(offset))
        assert added["msr.timestamp"].isdecimal()
    assert NUMBERS.encode() in scene.api().state().body


def test_twenty_megabytes_of_state_come_through(scene: Scene) -> None:
    """Through the source, Debezium and the broker; an update that does not touch the text keeps it."""
    scene.only_worker()
    scene.write("CREATE TABLE inputs.large (id integer PRIMARY KEY, n integer, text text)")
    fill = "(SELECT string_agg(md5(n::text) || 'é\"\n', '') FROM generate_series(1, 560000) n)"
    scene.write(f"INSERT INTO inputs.large VALUES (1, 0, {fill})", "UPDATE inputs.large SET n = 1")
    wait_until(lambda: scene.rows("inputs.large").get("1", {}).get("n") == 1, 60, "it is recorded", every=1)
    with psycopg.connect(scene.app_dsn) as source:
        row = source.execute("SELECT octet_length(text), md5(text) FROM inputs.large").fetchone()
    replayed = scene.rows("inputs.large")["1"]["text"].encode()
    assert (len(replayed), hashlib.md5(replayed).hexdigest()) == row
    assert len(replayed) > 20_000_000
    scene.write("DELETE FROM inputs.large")
    wait_until(lambda: not scene.rows("inputs.large"), 60, "its end is recorded", every=1)
