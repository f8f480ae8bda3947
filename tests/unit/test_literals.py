"""Values written into SQL text: nothing that a caller sends can end a literal."""

from __future__ import annotations

import pytest

from msr_stream import instants
from msr_stream.store.literals import instant, literal


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        (7, "7"),
        (-7, "(-7)"),  # two minus signs would begin a comment
        (True, "1"),
        ("", "''"),
        ("a", "'a'"),
        ("it's", "'it''s'"),
        ("'; DROP TABLE x --", "'''; DROP TABLE x --'"),
        ("a\\'b", "E'a\\\\''b'"),
        ("{0} $1 %s", "'{0} $1 %s'"),
        ([], "ARRAY[]::text[]"),
        (("a", "b'c", "d\\"), "ARRAY['a', 'b''c', E'd\\\\']::text[]"),
    ],
)
def test_a_literal_is_one(value: int | str | list[str] | None, text: str) -> None:
    assert literal(value) == text


@pytest.mark.parametrize("value", ["a\0b", ["a", "\0"]])
def test_a_nul_character_is_refused(value: str | list[str]) -> None:
    with pytest.raises(ValueError, match="NUL"):
        literal(value)


def test_an_instant_is_exact_to_the_microsecond() -> None:
    assert instant(1_795_393_589_000_001) == "'2026-11-23T00:26:29.000001Z'::timestamptz"
    assert instant(instants.LAST) == "'9999-12-31T23:59:59.999999Z'::timestamptz"
    assert instant(instants.FIRST) == "'0001-01-01T00:00:00.000000Z'::timestamptz"
