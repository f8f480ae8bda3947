"""Some columns of rows, cut out of their text: held against reading all of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msr_stream.store.projection import projected

#: What is lost where numbers are read as numbers and texts written anew.
VALUES = ('{"price" : 1.10}', "[1.0, 2]", "1e400", "-0", "1.10", '"\\u00e9\\/ \\"}, {"', "null", "true", '""', '"×"')  # noqa: RUF001
NAMES = ("price", "a b", 'q"uote', "back\\slash", "é", "entity_state", "op")

_states = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES), max_size=6)


def line(state: str, **more: Any) -> bytes:
    """A row as the database writes it, after a comma."""
    rest = "".join(f",{json.dumps(name)}:{json.dumps(value)}" for name, value in more.items())
    text = f'{{"entity_id":"7\\n","entity_state":{state},"op":"u","event_timestamp":"t","table_name":"s.t"{rest}}}'
    return f",{text}\n".encode()


def written(state: dict[str, str]) -> str:
    """A state's text, each value as it is given."""
    members = ",".join(f"{json.dumps(name, ensure_ascii=False)}:{value}" for name, value in state.items())
    return f"{{{members}}}"


async def through(fields: tuple[str, ...], *pieces: bytes) -> bytes:
    """What is passed on of some pieces."""
    found: list[bytes] = []

    async def gather(piece: bytes) -> None:
        found.append(piece)

    sink = projected(gather, fields)
    for piece in pieces:
        await sink(piece)
    return b"".join(found)


@given(states=st.lists(_states, min_size=1, max_size=5), fields=st.lists(st.sampled_from((*NAMES, "none")), min_size=1))
async def test_each_value_stays_the_text_that_came(states: list[dict[str, str]], fields: list[str]) -> None:
    """Whatever the columns are called; in the order in which they are named, once."""
    passed = await through(tuple(fields), b"".join(line(written(state)) for state in states))
    wanted = [{name: state[name] for name in dict.fromkeys(fields) if name in state} for state in states]
    assert passed.decode() == "".join(line(written(state)).decode() for state in wanted)


@pytest.mark.parametrize("fields", [("a",), ('q"uote',)])
async def test_all_else_of_a_row_stays(fields: tuple[str, ...]) -> None:
    for row in (line("null"), line("{}", source_timestamp="s", unavailable_fields=["a", "b"])):
        assert json.loads((await through(fields, row))[1:]) == json.loads(row[1:])


async def test_without_any_named_nothing_is_read() -> None:
    async def sink(piece: bytes) -> None: ...

    assert projected(sink, ()) is sink


async def test_nothing_stays_nothing() -> None:
    assert await through(("a",), b"", b"\n") == b""
