"""Values as SQL text: for statements that the planner must see whole, and that cost no round trip to prepare."""

from __future__ import annotations

from collections.abc import Sequence

from msr_stream import instants


def literal(value: int | str | Sequence[str] | None) -> str:
    """A value as a literal: a number, a text, an array of texts, or null.

    Rules: PostgreSQL documentation, "String Constants" (with C-style escapes where there is a backslash, so that
    `standard_conforming_strings` does not matter).

    Raises:
        ValueError: a text holds a NUL character, which no text of the database can.
    """
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(int(value)) if value >= 0 else f"({int(value)})"
    if isinstance(value, str):
        return _text(value)
    return f"ARRAY[{', '.join(map(_text, value))}]::text[]"


def instant(value: int) -> str:
    """An instant as a literal; one before the year 1 or after 9999 as the first or last there is."""
    return f"'{instants.render(value)}'::timestamptz"


def degrees(value: float) -> str:
    """A finite number, of degrees or metres, as a literal that loses nothing."""
    return f"'{value!r}'::double precision"


def _text(value: str) -> str:
    if "\0" in value:
        raise ValueError("a text holds a NUL character")
    quoted = value.replace("'", "''")
    return "E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in quoted else f"'{quoted}'"
