"""A row's JSON text: placeholders found and filled, everything else left as it came."""

from __future__ import annotations

import base64

import pytest

from msr_stream.errors import RecordError
from msr_stream.records.state import clean, complete, fields_of, has_placeholder, joined, placeholders, tenant_of

UNAVAILABLE = b'"__debezium_unavailable_value"'
IN_BASE64 = b'"' + base64.b64encode(b"__debezium_unavailable_value") + b'"'


def _of(value: bytes) -> bytes:
    return b'{"id":1,"a":' + value + b"}"


@pytest.mark.parametrize(
    "value",
    [
        UNAVAILABLE,
        IN_BASE64,
        b"[" + UNAVAILABLE + b"]",
        b"[" + IN_BASE64 + b"]",
        b'["x", ' + UNAVAILABLE + b"]",
        b"[[1,2],[" + UNAVAILABLE + b"]]",
    ],
)
def test_a_placeholder_is_found_as_text_as_bytes_and_in_arrays(value: bytes) -> None:
    assert has_placeholder(_of(value))
    assert placeholders(fields_of(_of(value))) == ["a"]


@pytest.mark.parametrize(
    "value",
    [
        b'"about __debezium_unavailable_value"',
        b'"__debezium_unavailable_value "',
        b'{"x":' + UNAVAILABLE + b"}",
        b'["x __debezium_unavailable_value"]',
        b'"' + base64.b64encode(b"__debezium_unavailable_valued") + b'"',
        b"null",
    ],
)
def test_a_value_that_only_mentions_the_placeholder_is_a_value(value: bytes) -> None:
    assert placeholders(fields_of(_of(value))) == []


def test_a_column_named_like_the_placeholder_is_a_column() -> None:
    assert placeholders(fields_of(b'{"__debezium_unavailable_value":1}')) == []


def test_a_placeholder_is_filled_with_the_last_value_as_it_was_written() -> None:
    state, unavailable = complete(_of(UNAVAILABLE), b'{"id":0,"a":1.10,"z":9}', [])
    assert state == b'{"id":1,"a":1.10}'
    assert unavailable == []


@pytest.mark.parametrize("value", [b"null", b'"x\\u00e9"', b"12345678901234567890", b"1e400", b"[1.50]", b'{"x":1.0}'])
def test_whatever_the_last_value_was_fills_the_placeholder(value: bytes) -> None:
    assert complete(_of(UNAVAILABLE), _of(value), []) == (_of(value), [])


def test_the_values_that_were_sent_win() -> None:
    sent = b'{"a":' + UNAVAILABLE + b',"b":2.0,"c":' + UNAVAILABLE + b"}"
    assert complete(sent, b'{"a":"old a","b":"old b","c":"old c"}', []) == (b'{"a":"old a","b":2.0,"c":"old c"}', [])


def test_without_a_last_state_the_value_is_unavailable_and_null() -> None:
    assert complete(_of(UNAVAILABLE), None, []) == (_of(b"null"), ["a"])


def test_a_column_that_the_last_state_did_not_have_is_unavailable() -> None:
    assert complete(_of(UNAVAILABLE), b'{"id":1}', []) == (_of(b"null"), ["a"])


def test_what_was_unavailable_stays_unavailable() -> None:
    assert complete(_of(UNAVAILABLE), _of(b"null"), ["a"]) == (_of(b"null"), ["a"])


def test_a_new_value_is_available_again() -> None:
    assert complete(_of(b'"new"'), _of(b"null"), ["a"]) == (_of(b'"new"'), [])


def test_an_array_with_a_placeholder_is_filled_as_a_whole() -> None:
    assert complete(_of(b"[1," + UNAVAILABLE + b"]"), _of(b'[1,"large"]'), []) == (_of(b'[1,"large"]'), [])


def test_a_completed_state_is_one_line_of_the_same_columns_in_the_same_order() -> None:
    state, _ = complete(b'{ "b" : 1 ,  "a":' + UNAVAILABLE + b', "c":[ 1 ]}', b'{"a":2}', [])
    assert list(fields_of(state)) == ["b", "a", "c"]
    assert b"\n" not in state


def test_columns_join_to_what_they_were_split_from() -> None:
    state = b'{"a":1.10,"b":"x\\ny","c":[1, 2],"\\u00e9":null}'
    assert fields_of(joined(fields_of(state))) == fields_of(state)


@pytest.mark.parametrize(
    ("state", "tenant"),
    [
        (b'{"id":1}', None),
        (b"{}", None),
        (b'{"tenant_id":null}', ""),
        (b'{"tenant_id":""}', ""),
        (b'{"tenant_id":"t1"}', "t1"),
        (b'{"tenant_id":7}', "7"),
        (b'{"tenant_id":12345678901234567890}', "12345678901234567890"),
        (b'{"tenant_id":"caf\\u00e9"}', "café"),
        (b'{"x":{"tenant_id":"inner"}}', None),
        (b'{"tenant_id" : "t1" }', "t1"),
    ],
)
def test_a_row_is_its_tenants_everybodys_or_nobodys(state: bytes, tenant: str | None) -> None:
    assert tenant_of(state, "tenant_id") == tenant


@pytest.mark.parametrize("column", ["owner", "Org-Id", "class", "a b", "é", 'q"', "b\\s", "_x", "1"])
def test_the_tenant_column_may_have_any_name(column: str) -> None:
    state = b'{"owner":"t","Org-Id":"t","class":"t","a b":"t","\xc3\xa9":"t","q\\"":"t","b\\\\s":"t","_x":"t","1":"t"}'
    assert tenant_of(state, column) == "t"


def test_a_state_that_is_one_line_already_is_the_same_bytes() -> None:
    state = '{"a":"x\\ty", "é":1}'.encode()
    assert clean(state) == state


@pytest.mark.parametrize("raw", [b"[]", b'"x"', b"1", b"null", b" {}"])
def test_only_an_object_is_a_state(raw: bytes) -> None:
    with pytest.raises(RecordError) as caught:
        clean(raw)
    assert caught.value.code == "STATE_NOT_OBJECT"
