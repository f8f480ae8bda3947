"""The columns of a table's key are told from a row and its entity's id, or not at all."""

from __future__ import annotations

import json

import pytest

from msr_stream.records.keys import entity_id, key_columns
from msr_stream.records.state import fields_of


@pytest.mark.parametrize(
    ("key", "row", "columns"),
    [
        ({"id": 7}, {"id": 7, "name": "a"}, ["id"]),
        ({"id": 7}, {"name": "7", "id": 7}, ["name"]),
        ({"port": "S:G", "berth": 1}, {"berth": 1, "port": "S:G", "depth": 1}, ["port", "berth"]),
        ({"a": "x\\", "b": ":"}, {"b": ":", "a": "x\\"}, ["a", "b"]),
        ({"a": 1, "b": 1}, {"a": 1, "b": 1}, ["a", "b"]),
        ({"a": "", "b": 2}, {"a": "", "b": 2}, ["a", "b"]),
        ({"id": "1:2"}, {"id": "1:2"}, ["id"]),
        ({"id": 7}, {"number": 8}, []),
        ({"a": 1, "b": 2}, {"a": 1}, []),
    ],
)
def test_key_columns(key: dict[str, object], row: dict[str, object], columns: list[str]) -> None:
    found = key_columns(entity_id(json.dumps(key).encode()), fields_of(json.dumps(row).encode()))
    assert found == columns
