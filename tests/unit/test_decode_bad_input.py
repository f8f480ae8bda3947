"""Whatever arrives is recorded faithfully or becomes a dead letter with its reason; nothing stops the recorder."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msr_stream.records.change import Change, DeadLetter, Decoded, Marker
from msr_stream.records.decode import Decoder
from tests.unit.building import NOON, envelope, record

DECODER = Decoder("p.s.t", partitions=4)
ONE_PARTITION = Decoder("p.s.t")


def _decode(value: bytes | str | None, key: bytes | str | None = '{"id":1}', **more: Any) -> Decoded:
    return DECODER.decode(record(value, key, **more))


def _change(value: bytes | str | None, key: bytes | str | None = '{"id":1}', **more: Any) -> Change:
    decoded = _decode(value, key, **more)
    assert isinstance(decoded, Change), decoded
    return decoded


def _code(value: bytes | str | None, key: bytes | str | None = '{"id":1}', **more: Any) -> str:
    decoded = _decode(value, key, **more)
    assert isinstance(decoded, DeadLetter), decoded
    assert decoded.reason
    return decoded.code


def _restructured(**fields: Any) -> str:
    row = {"entity_id": "7", "op": "u", "event_timestamp": 1000, "table_name": "s.t", "data": '{"a":1}'}
    return json.dumps({**row, **fields})


def _marker(content: bytes) -> str:
    text = base64.b64encode(content).decode()
    return f'{{"op":"m","source":{{"name":"p"}},"message":{{"prefix":"msr","content":"{text}"}}}}'


# Not JSON at all


@pytest.mark.parametrize(
    "value",
    [
        b"", b" ", b"{", b"nonsense", b'{"op":', b"\xff\xfe", b"\x00", b"null", b"7", b'"text"', b"[]", b"[1,2]",
        b"\xef\xbb\xbf{}", b'{"a":1}{"b":2}', b'{"a":01}', b'{"a":NaN}', b"{'a':1}", b'{"a":1,}',
    ],
)  # fmt: skip
def test_what_is_no_json_object_is_not_json(value: bytes) -> None:
    assert _code(value) == "NOT_JSON"


@pytest.mark.parametrize("after", ['{"a":01}', '{"a":1.}', '{"a":+1}', '{"a":NaN}', '{"a":"\\x"}', '{"a" 1}', "{a:1}"])
def test_a_row_that_is_not_json_is_found_out_without_being_parsed(after: str) -> None:
    assert _code(envelope(after)) == "NOT_JSON"


@pytest.mark.parametrize("control", [chr(code) for code in range(32)])
def test_a_control_character_inside_a_text_is_not_json(control: str) -> None:
    assert _code(envelope(f'{{"a":"x{control}y"}}')) == "NOT_JSON"


def test_an_unknown_object_is_named_by_its_fields() -> None:
    decoded = _decode('{"hello":1,"world":2}')
    assert isinstance(decoded, DeadLetter)
    assert decoded.code == "UNKNOWN_SHAPE"
    assert "hello, world" in decoded.reason


# Text


@pytest.mark.parametrize("white", ["\n", "\t", "\r", "\r\n\t", " "])
def test_control_characters_between_tokens_become_spaces(white: str) -> None:
    state = _change(envelope(f'{{{white}"a"{white}:{white}"x y"{white},{white}"b":[1,{white}2]{white}}}')).state
    assert state is not None
    assert json.loads(state) == {"a": "x y", "b": [1, 2]}
    assert min(state) >= 32


def test_only_white_space_is_changed_and_the_length_stays() -> None:
    after = '{"a":\n"tab\\tnewline\\n",\t"b":1}'
    assert _change(envelope(after)).state == after.replace("\n", " ").replace("\t", " ").encode()


@pytest.mark.parametrize("text", [r"\u0000", r"a\u0000b", r"\\\u0000", r"\n\u0000"])
def test_a_nul_character_is_a_dead_letter_that_knows_its_record(text: str) -> None:
    decoded = _decode(envelope(f'{{"a":"{text}"}}'))
    assert isinstance(decoded, DeadLetter)
    assert decoded.code == "NUL_CHARACTER"
    assert decoded.identity == (200, 7, "s.t", "1")


def test_a_nul_character_in_a_columns_name_is_a_dead_letter() -> None:
    assert _code(envelope(r'{"\u0000":1}')) == "NUL_CHARACTER"


@pytest.mark.parametrize("text", [r"\\u0000", r"\\\\u0000", r"u0000", r"\\u0000 \\u0000", r"\u0001"])
def test_an_escaped_backslash_before_u0000_is_text(text: str) -> None:
    after = f'{{"a":"{text}"}}'
    assert _change(envelope(after)).state == after.encode()


@pytest.mark.parametrize("raw", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80"])
def test_invalid_utf_8_in_a_row_is_a_dead_letter(raw: bytes) -> None:
    value = envelope('{"a":"@"}').encode().replace(b"@", raw)
    assert _code(value) == "NOT_UTF8"


@pytest.mark.parametrize("text", [r"\ud800", r"\udc00", r"\ud800x", r"\ud800\u0041", r"\ud83d"])
@pytest.mark.parametrize("after", ['{"a":"@"}', '{"tenant_id":"@"}', '{"@":1}'])
def test_a_lone_surrogate_never_ends_in_an_exception(text: str, after: str) -> None:
    row = after.replace("@", text)
    decoded = _decode(envelope(row))
    assert isinstance(decoded, DeadLetter) or (isinstance(decoded, Change) and decoded.state == row.encode())


@pytest.mark.parametrize("text", [r"\ud83d\ude00", "😀", r"caf\u00e9", "café", r"\/", "\u2028", "\x7f", r"\u0001"])
def test_letters_are_carried_as_they_were_written(text: str) -> None:
    after = f'{{"a":"{text}"}}'
    assert _change(envelope(after)).state == after.encode()


# Numbers


@pytest.mark.parametrize(
    "number",
    [
        "12345678901234567890", "-98765432109876543210", "1.10", "1e400", "-0", "-0.0", "1E5", "0.1e-400", "1.0e+00",
        "9" * 1000, "0." + "3" * 500, "true", "false", "null", "[1.50,[2.00]]", '{"x":1.50}',
    ],
)  # fmt: skip
def test_values_come_out_as_they_went_in(number: str) -> None:
    after = f'{{"a":{number},"b":1}}'
    assert _change(envelope(after)).state == after.encode()


# Envelopes


def test_an_unknown_operation_is_named() -> None:
    decoded = _decode(envelope(op="x"))
    assert isinstance(decoded, DeadLetter)
    assert decoded.code == "UNKNOWN_OPERATION"
    assert "'x'" in decoded.reason


@pytest.mark.parametrize("op", ["c", "r", "u"])
def test_an_operation_without_its_row_is_a_dead_letter(op: str) -> None:
    assert _code(envelope("null", op=op)) == "NO_STATE"


@pytest.mark.parametrize("after", ["[1]", '"text"', "7", "true"])
def test_a_row_that_is_no_object_is_a_dead_letter(after: str) -> None:
    assert _code(envelope(after)) == "STATE_NOT_OBJECT"


def test_a_delete_without_its_row_is_a_delete() -> None:
    change = _change(envelope("null", op="d"))
    assert (change.op, change.state, change.tenant) == ("d", None, None)


@pytest.mark.parametrize(
    "source",
    [{"table": ""}, {"table": None}],
)
def test_a_record_without_a_table_is_a_dead_letter(source: dict[str, Any]) -> None:
    assert _code(envelope(**source)) == "NO_TABLE"


def test_a_table_name_with_a_nul_character_is_a_dead_letter() -> None:
    assert _code(envelope(table="a\0b")) == "NUL_CHARACTER"


def test_a_record_without_a_commit_time_is_a_dead_letter() -> None:
    assert _code(envelope(ts_us=None)) == "NO_TIME"


def test_milliseconds_are_taken_where_there_are_no_microseconds() -> None:
    assert _change(envelope(ts_us=None, ts_ms=1_795_392_000_123)).source_time == 1_795_392_000_123_000


@pytest.mark.parametrize("micros", [3_093_527_980_800_000_000, -62_135_596_800_000_001, 253_402_300_800_000_000, 2**80])
def test_a_time_of_another_age_is_a_dead_letter(micros: int) -> None:
    assert _code(envelope(ts_us=micros)) == "TIME_OUT_OF_RANGE"


@pytest.mark.parametrize("micros", [-62_135_596_800_000_000, 253_402_300_799_999_999, 0])
def test_the_first_and_the_last_instant_are_recorded(micros: int) -> None:
    assert _change(envelope(ts_us=micros)).source_time == micros


@pytest.mark.parametrize(
    "sequence",
    ["", "x", "[]", "null", '["1","x"]', '["x","1"]', "[1,2]", '["1"', '["99999999999999999999","1"]', '["-1","1"]'],
)
def test_a_sequence_that_is_no_pair_of_numbers_is_a_dead_letter(sequence: str) -> None:
    decoded = _decode(envelope(sequence=sequence))
    if sequence == '["1"':  # three parts, as `[null,"1"]` has: the first is unknown
        assert isinstance(decoded, Change)
        assert decoded.sequence is None
    else:
        assert isinstance(decoded, DeadLetter)
        assert decoded.code == "BAD_SEQUENCE"


@pytest.mark.parametrize("lsn", [2**63, 10**20, -(2**63) - 1])
def test_a_sequence_beyond_64_bits_is_a_dead_letter(lsn: int) -> None:
    assert _code(envelope(sequence=f'["1","{lsn}"]')) == "BAD_SEQUENCE"


@pytest.mark.parametrize("field", ["lsn", "txId"])
@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
def test_a_log_sequence_number_beyond_64_bits_is_a_dead_letter(field: str, number: int) -> None:
    given: dict[str, Any] = {field: number}
    assert isinstance(_decode(envelope(**given)), DeadLetter)


@pytest.mark.parametrize("lsn", [2**63 - 1, 0])
def test_a_log_sequence_number_of_63_bits_is_kept(lsn: int) -> None:
    assert _change(envelope(lsn=lsn)).lsn == lsn


@pytest.mark.parametrize("content", [b"", b"x", b"1.5", b"\xff"])
def test_a_marker_without_a_time_is_a_dead_letter(content: bytes) -> None:
    assert _code(_marker(content)) == "BAD_MARKER"


def test_a_marker_that_is_not_base64_is_a_dead_letter() -> None:
    value = '{"op":"m","source":{"name":"p"},"message":{"prefix":"msr","content":"%%%"}}'
    assert _code(value) == "BAD_MARKER"


def test_a_marker_needs_no_key() -> None:
    assert _decode(_marker(b"1795400334962195"), None) == Marker("p", 1795400334962195)


@pytest.mark.parametrize("content", [b"9" * 40, b"-" + b"9" * 30, str(253_402_300_800_000_000).encode()])
def test_a_marker_of_another_age_is_a_dead_letter(content: bytes) -> None:
    assert _code(_marker(content)) == "BAD_MARKER"


@pytest.mark.parametrize("ahead", [61_000_000, 10**15])
def test_a_marker_is_never_ahead_of_its_own_commit(ahead: int) -> None:
    """`pg_logical_emit_message` is open to every role; what is settled is never lowered."""
    value = _marker(str(NOON + ahead).encode()).replace('"name":"p"', f'"name":"p","ts_us":{NOON}')
    decoded = _decode(value, None)
    assert isinstance(decoded, DeadLetter) or (isinstance(decoded, Marker) and decoded.instant <= NOON)


# Keys


@pytest.mark.parametrize(
    ("key", "entity"),
    [
        ('"abc"', "abc"), ("7", "7"), (" 7 ", "7"), ("1.50", "1.50"), ("true", "true"), ('{"id":7}', "7"),
        ('{"id":"7"}', "7"), ('{"id":12345678901234567890}', "12345678901234567890"), ('{"id":"a:b"}', "a:b"),
        ('{"a":1,"b":"x:y"}', r"1:x\:y"), ('{"b":1,"a":2}', "1:2"), ('{"a":"\\\\","b":2}', r"\\:2"),
        ('{"a":null,"b":2}', "null:2"), ('{"schema":{"x":1},"payload":{"id":7}}', "7"),
        ('{"schema":null,"payload":7}', "7"), ('{"id":""}', ""), ('{"id":"café"}', "café"), (r'{"id":"\u00e9"}', "é"),
        ('{"payload":1,"id":2}', "1:2"),
    ],
)  # fmt: skip
def test_an_entity_is_its_key_as_text(key: str, entity: str) -> None:
    assert _change(envelope(), key).entity_id == entity
    assert _change(None, key).entity_id == entity


@pytest.mark.parametrize("key", [b"", b"{", b"abc", b"\xff", b'"\xff"', b'{"id":"\xff"}', rb'"\ud800"', b"{}x"])
def test_a_key_that_is_not_json_is_a_dead_letter(key: bytes) -> None:
    assert _code(envelope(), key) == "KEY_NOT_JSON"


@pytest.mark.parametrize("key", [None, "{}", '{"schema":{},"payload":{}}'])
def test_a_record_without_a_key_is_a_dead_letter(key: str | None) -> None:
    assert _code(envelope(), key) == "NO_KEY"


@pytest.mark.parametrize("key", ["null", '{"schema":null,"payload":null}'])
def test_a_key_that_is_null_is_no_key(key: str) -> None:
    assert _code(envelope(), key) == "NO_KEY"


def test_a_key_with_a_nul_character_is_a_dead_letter() -> None:
    assert _code(envelope(), r'{"id":"\u0000"}') == "NUL_CHARACTER"


def test_a_tombstone_without_a_key_says_nothing() -> None:
    assert _decode(None, None) is None


def test_a_tombstone_inside_schema_and_payload_is_a_tombstone() -> None:
    assert _change('{"schema":null,"payload":null}', timestamp=5).tombstone
    assert _change('{"schema":null,"payload":null}', timestamp=5).source_time == 5000


def test_a_tombstones_table_comes_from_the_topic() -> None:
    decoded = Decoder("eu.aoh.cpos.track").decode(record(None))
    assert isinstance(decoded, Change)
    assert decoded.table_name == "cpos.track"


def test_a_tombstone_of_another_age_is_a_dead_letter() -> None:
    assert _code(None, timestamp=2**62) == "TIME_OUT_OF_RANGE"


def test_an_old_key_that_is_not_json_is_a_dead_letter() -> None:
    assert _code(envelope(), headers=[("__debezium.oldkey", b"{")]) == "KEY_NOT_JSON"


def test_an_old_key_without_a_value_is_no_exception() -> None:
    headers: Any = [("__debezium.oldkey", None)]
    assert isinstance(_decode(envelope(), headers=headers), Change | DeadLetter)


# MSR's own restructured record


def test_a_restructured_record_is_a_change() -> None:
    change = _change(_restructured(), "anything that is no JSON")
    assert (change.op, change.table_name, change.entity_id, change.state) == ("u", "s.t", "7", b'{"a":1}')
    assert (change.source_time, change.lsn, change.identity) == (1_000_000, None, None)


def test_a_restructured_row_is_carried_as_it_was_written() -> None:
    data = '{"n":12345678901234567890,"x":1.10,"y":1e400,"s":"caf\\u00e9",\n"t":"é"}'
    assert _change(_restructured(data=data)).state == data.replace("\n", " ").encode()


def test_a_restructured_delete_may_come_without_its_row() -> None:
    assert _change(_restructured(op="d", data=None)).state is None
    assert _change(_restructured(op="d", data="null")).state is None


def test_a_restructured_record_without_a_broker_key_is_taken_from_a_topic_of_one_partition_only() -> None:
    assert _code(_restructured(), None) == "NO_KEY"
    decoded = ONE_PARTITION.decode(record(_restructured(), None))
    assert isinstance(decoded, Change)
    assert decoded.entity_id == "7"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"data": "{"}, "NOT_JSON"),
        ({"data": "[1]"}, "NOT_JSON"),
        ({"data": "text"}, "NOT_JSON"),
        ({"data": '{"a":"\\u0000"}'}, "NUL_CHARACTER"),
        ({"data": None}, "NO_STATE"),
        ({"op": "x"}, "UNKNOWN_OPERATION"),
        ({"op": None}, "UNKNOWN_OPERATION"),
        ({"op": "t"}, "UNKNOWN_OPERATION"),
        ({"entity_id": None}, "NO_KEY"),
        ({"entity_id": "a\0b"}, "NUL_CHARACTER"),
        ({"table_name": ""}, "NO_TABLE"),
        ({"table_name": None}, "NO_TABLE"),
        ({"event_timestamp": None}, "NO_TIME"),
        ({"event_timestamp": 1.5}, "BAD_FIELD"),
        ({"event_timestamp": "yesterday"}, "BAD_FIELD"),
        ({"event_timestamp": 10**30}, "BAD_FIELD"),
        ({"event_timestamp": 3_093_527_980_800_000}, "TIME_OUT_OF_RANGE"),
    ],
)
def test_a_restructured_record_that_lacks_something_says_what(fields: dict[str, Any], code: str) -> None:
    assert _code(_restructured(**fields)) == code


def test_a_restructured_table_without_a_schema_has_no_name_that_begins_with_a_dot() -> None:
    decoded = _decode(_restructured(table_name="t"))
    assert isinstance(decoded, DeadLetter) or (isinstance(decoded, Change) and not decoded.table_name.startswith("."))


# Flattened rows


def _flattened(**fields: Any) -> str:
    return json.dumps({"id": 1, "a": "x", "__op": "u", "__source_ts_ms": 1000, **fields})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"op": "u", "table_name": "s.t", "source_time": 1_000_000, "lsn": None}),
        ({"__table": "x", "__schema": "y"}, {"table_name": "y.x"}),
        ({"__source_table": "x", "__source_schema": "y"}, {"table_name": "y.x"}),
        ({"__source_ts_us": 1234}, {"source_time": 1234}),
        ({"__ts_us": 1234}, {"source_time": 1234}),
        ({"__deleted": "false"}, {"op": "u"}),
        ({"__deleted": "true"}, {"op": "d"}),
        ({"__deleted": True}, {"op": "d"}),
        ({"__deleted": "true", "__op": "u"}, {"op": "d"}),
        ({"__lsn": 5, "__txId": 6}, {"lsn": 5, "txid": 6}),
        ({"__source_lsn": 5, "__source_txId": 6}, {"lsn": 5, "txid": 6}),
        ({"__source_sequence": '["1","2"]', "__source_lsn": 2}, {"sequence": (1, 2), "commit_lsn": 1}),
        ({"__source_snapshot": "true", "__source_lsn": 5, "__op": "r"}, {"op": "r", "lsn": None}),
        ({"__source_snapshot": "false", "__source_lsn": 5}, {"lsn": 5}),
        ({"tenant_id": "t1"}, {"tenant": "t1"}),
        ({"tenant_id": None}, {"tenant": ""}),
        ({"a": "__debezium_unavailable_value"}, {"incomplete": True}),
    ],
)
def test_a_flattened_row_is_read_as_it_was_configured(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    change = _change(_flattened(**fields))
    assert {name: getattr(change, name) for name in expected} == expected


def test_what_was_added_to_a_flattened_row_is_not_part_of_it() -> None:
    change = _change(_flattened(__table="t", __lsn=5, __txId=6, __db="d", __source_origin="o", __mine=1))
    assert change.state is not None
    assert json.loads(change.state) == {"id": 1, "a": "x", "__mine": 1}


def test_a_flattened_row_keeps_its_numbers_as_they_were_written() -> None:
    value = '{"n":12345678901234567890,"x":1.10,"y":1e400,"__op":"c","__source_ts_ms":1}'
    assert _change(value).state == b'{"n":12345678901234567890,"x":1.10,"y":1e400}'


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"__source_ts_ms": None}, "NO_TIME"),
        ({"__source_ts_ms": "x"}, "BAD_FIELD"),
        ({"__op": "x"}, "UNKNOWN_OPERATION"),
        ({"__lsn": 2**63}, "BAD_FIELD"),
        ({"__sequence": "x"}, "BAD_SEQUENCE"),
        ({"a": "\0"}, "NUL_CHARACTER"),
    ],
)
def test_a_flattened_row_that_lacks_something_says_what(fields: dict[str, Any], code: str) -> None:
    assert _code(_flattened(**fields)) == code


@pytest.mark.parametrize("decoder", [DECODER, ONE_PARTITION])
def test_a_flattened_row_without_a_key_is_a_dead_letter(decoder: Decoder) -> None:
    decoded = decoder.decode(record(_flattened(), None))
    assert isinstance(decoded, DeadLetter)
    assert decoded.code == "NO_KEY"


# Names


def test_a_sources_prefix_is_put_before_its_table_names() -> None:
    decoder = Decoder("p.s.t", prefixes={"p": "north"})
    for value in (envelope(), _flattened(), _restructured(), None):
        decoded = decoder.decode(record(value))
        assert isinstance(decoded, Change)
        assert decoded.table_name == "north.s.t"


def test_the_tenant_column_may_be_another_one_for_a_table() -> None:
    decoder = Decoder("p.s.t", tenant_column="org", tenant_columns={"s.t": "owner"})
    decoded = decoder.decode(record(envelope('{"owner":"a","org":"b","tenant_id":"c"}')))
    other = decoder.decode(record(envelope('{"owner":"a","org":"b"}', table="u")))
    assert isinstance(decoded, Change)
    assert isinstance(other, Change)
    assert (decoded.tenant, other.tenant) == ("a", "b")


def test_a_row_without_the_column_that_was_named_for_its_table_is_nobodys() -> None:
    """A name that was mistyped must not make a tenant's table everybody's."""
    decoder = Decoder("p.s.t", tenant_columns={"s.t": "ownr"})
    decoded = decoder.decode(record(envelope('{"owner":"a","tenant_id":"b"}')))
    assert isinstance(decoded, Change)
    assert decoded.tenant == ""


# Depth and size


@pytest.mark.parametrize(
    "value",
    [
        envelope('{"a":' + "[" * 100_000 + "]" * 100_000 + "}"),
        envelope('{"a":' + "[" * 950 + "]" * 950 + "}"),
        envelope('{"a":' + '{"b":' * 950 + "1" + "}" * 950 + "}"),
        '{"schema":1,"payload":' * 20_000 + "1" + "}" * 20_000,
    ],
)
def test_a_row_too_deep_to_read_is_a_dead_letter(value: str) -> None:
    assert _code(value) == "TOO_DEEP"


def test_many_brackets_side_by_side_are_not_deep() -> None:
    after = '{"a":[' + ",".join(['{"b":[1]}', '"[[[{{{"', r'"\\"', r'"\"["'] * 500) + "]}"
    assert _change(envelope(after)).state == after.encode()


def test_a_row_may_be_as_deep_as_any_real_one() -> None:
    after = '{"a":' + "[" * 150 + "]" * 150 + "}"
    assert _change(envelope(after)).state == after.encode()


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (envelope(), "[" * 100_000 + "]" * 100_000),
        (envelope(), '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"),
        (None, "[" * 100_000),
        (_restructured(data='{"a":' + "[" * 100_000 + "]" * 100_000 + "}"), "1"),
        ('{"op":1,"x":' + "[" * 100_000 + "]" * 100_000 + "}", "1"),
    ],
    ids=["key", "composite key", "tombstone", "restructured", "other shape"],
)
def test_nothing_too_deep_to_read_leaves_the_decoder(value: str | None, key: str) -> None:
    assert isinstance(_decode(value, key), DeadLetter)


def test_no_depth_is_read_once_and_refused_later() -> None:
    for depth in range(900, 1000):
        assert isinstance(_decode(envelope('{"a":' + "[" * depth + "]" * depth + "}")), Change | DeadLetter)


@pytest.mark.parametrize("name", ["__op", "__table", "__source_ts_ms"])
def test_invalid_utf_8_in_what_was_added_to_a_row_is_a_dead_letter(name: str) -> None:
    value = _flattened(**{name: "@"}).encode().replace(b"@", b"\xff")
    assert isinstance(_decode(value), DeadLetter)


@pytest.mark.timeout(60)  # what is quadratic takes hours
@pytest.mark.parametrize("character", ["x", "é", r"\n"])
def test_a_row_of_twenty_megabytes_is_recorded(character: str) -> None:
    after = '{"a":"' + character * (20_000_000 // len(character.encode())) + '"}'
    value = record(envelope(after))
    decoded = DECODER.decode(value)
    assert isinstance(decoded, Change)
    assert decoded.state == after.encode()


@pytest.mark.timeout(60)  # what is quadratic takes hours
def test_many_escaped_backslashes_before_u0000_take_no_longer() -> None:
    value = record(envelope('{"a":"' + r"\\u0000" * 1_000_000 + '"}'))
    assert isinstance(DECODER.decode(value), Change)


@pytest.mark.timeout(60)  # what is quadratic takes hours
def test_a_long_run_of_backslashes_takes_no_longer() -> None:
    value = record(envelope('{"a":"' + "\\\\" * 1_000_000 + '\\\\u0000"}'))
    assert isinstance(DECODER.decode(value), Change)


# Anything


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_names = st.sampled_from(
    ["op", "source", "before", "after", "message", "schema", "payload", "ts_ms", "__op", "__deleted", "__table",
     "__source_lsn", "__ts_us", "entity_id", "event_timestamp", "table_name", "data", "name", "lsn", "sequence"]
)  # fmt: skip
_bytes = st.binary(max_size=20) | _json.map(lambda value: json.dumps(value).encode())
_values = _bytes | st.dictionaries(_names, _json).map(lambda value: json.dumps(value).encode())


@given(value=st.none() | _values, key=st.none() | _bytes, timestamp=st.integers(-1, 10**13))
def test_no_record_whatsoever_leaves_the_decoder_as_an_exception(
    value: bytes | None, key: bytes | None, timestamp: int
) -> None:
    decoded = _decode(value, key, timestamp=timestamp)
    assert decoded is None or isinstance(decoded, Change | DeadLetter | Marker)


@given(
    source=st.fixed_dictionaries(
        {"name": st.just("p"), "schema": st.text(max_size=3), "table": st.text(max_size=3)},
        optional={
            "ts_us": st.integers(), "ts_ms": st.integers(), "lsn": st.integers(), "txId": st.none() | st.integers(),
            "sequence": st.none() | st.text(max_size=8), "snapshot": st.booleans() | st.text(max_size=5),
        },
    ),
    op=st.sampled_from("crudtmx"),
    row=st.none() | st.dictionaries(st.sampled_from(["id", "tenant_id", "a"]), _json),
)  # fmt: skip
def test_no_envelope_whatsoever_leaves_the_decoder_as_an_exception(
    source: dict[str, Any], op: str, row: dict[str, Any] | None
) -> None:
    decoded = _decode(json.dumps({"op": op, "source": source, "before": row, "after": row}))
    if isinstance(decoded, Change):
        assert decoded.op == op
        assert decoded.source_time in (source.get("ts_us"), source.get("ts_ms", 0) * 1000)
