"""A row's JSON text: checked and carried, never parsed into Python numbers."""

from __future__ import annotations

import re
from functools import cache, lru_cache

import msgspec

from msr_stream.errors import RecordError
from msr_stream.records.keys import value_text

#: What Debezium sends for a large value that did not change: as text, and as bytes in base64.
PLACEHOLDER = b"__debezium_unavailable_value"
PLACEHOLDER_BASE64 = b"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="
_BASE64_BEGINNING = PLACEHOLDER_BASE64[:16]  # ten times as fast to look for as the whole; few rows have its X
_VALUES = frozenset({b'"' + PLACEHOLDER + b'"', b'"' + PLACEHOLDER_BASE64 + b'"'})

#: The escape of a NUL, not the text after an escaped backslash.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
#: So many brackets may be nesting too deep; fewer cannot.
_BRACKETS = 200
#: As numbers: Python looks for `b"\n"` only after it has made, and dropped, an error that says it is no number.
_LINE_FEED, _TAB, _RETURN, _BACKSLASH, _BRACKET, _X = b"\n\t\r\\[X"
_CONTROLS_TO_SPACES = bytes(max(code, 32) for code in range(256))
_UNUSUAL_NAME = re.compile(r'["\\\x00-\x1f]')  # names that the faster decoder does not take
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_whole = msgspec.json.Decoder(msgspec.Raw)
_items = msgspec.json.Decoder(list[msgspec.Raw])


def clean(raw: bytes) -> bytes:
    """The row as it will be stored: one line of JSON text, every value as it came.

    In JSON text that a parser accepted, a control character is white space (RFC 8259, section 2): it becomes a space.

    Raises:
        RecordError: it is not an object, not UTF-8, or holds a NUL character.
    """
    if raw[:1] != b"{":
        raise RecordError("STATE_NOT_OBJECT", f"the row is not a JSON object: it begins with {raw[:20]!r}")
    if _LINE_FEED in raw or _TAB in raw or _RETURN in raw:
        raw = raw.translate(_CONTROLS_TO_SPACES)
    if not raw.isascii():
        try:
            raw.decode()
        except UnicodeDecodeError as error:
            raise RecordError("NOT_UTF8", f"the row is not UTF-8: {error}") from error
    if _BACKSLASH in raw and b"\\u0000" in raw and _NUL.search(raw):
        raise RecordError("NUL_CHARACTER", "the row holds \\u0000, which PostgreSQL cannot store as text")
    # Most rows hold plain values: their only bracket is the first one, and nothing needs to be counted.
    if (_BRACKET in raw or raw.rfind(b"{") > 0) and raw.count(b"[") + raw.count(b"{") > _BRACKETS:
        _check_depth(raw)
    return raw


def _check_depth(raw: bytes, frames: int = 100) -> None:
    """Read it a hundred frames further down the stack than anybody will later: what passes can be read again.

    Raises:
        RecursionError: it is nested too deeply.
    """
    if frames:
        _check_depth(raw, frames - 1)
    else:
        _whole.decode(raw)


def fields_of(state: bytes) -> dict[str, msgspec.Raw]:
    """The row's columns, each value as it came."""
    return _fields.decode(state)


def joined(fields: dict[str, msgspec.Raw]) -> bytes:
    """Columns back to one line of JSON text."""
    return msgspec.json.encode(fields)


@cache
def _tenant_decoder(column: str) -> msgspec.json.Decoder[msgspec.Struct] | None:
    if _UNUSUAL_NAME.search(column):
        return None
    field = ("tenant", msgspec.Raw, msgspec.field(name=column, default=msgspec.Raw(b"")))
    return msgspec.json.Decoder(msgspec.defstruct("Row", [field]))


def tenant_of(state: bytes, column: str) -> str | None:
    """Whose the row is: `None` if it has no such column, empty if the column is null."""
    decoder = _tenant_decoder(column)
    value = decoder.decode(state).tenant if decoder else fields_of(state).get(column, b"")  # type: ignore[attr-defined]
    raw = bytes(value)
    if not raw:
        return None
    return _tenant_text(raw)


@lru_cache(maxsize=4096)  # tenants are few and come with every row: one string each
def _tenant_text(raw: bytes) -> str:
    return "" if raw == b"null" else value_text(msgspec.Raw(raw))


def has_placeholder(state: bytes) -> bool:
    """Whether some value may be a placeholder (`placeholders` says which are)."""
    return state.find(PLACEHOLDER) >= 0 or (_X in state and state.find(_BASE64_BEGINNING) >= 0)


def placeholders(fields: dict[str, msgspec.Raw]) -> list[str]:
    """The columns whose value is a placeholder, or an array that holds one."""
    return [name for name, value in fields.items() if _is_placeholder(bytes(value))]


def _is_placeholder(value: bytes) -> bool:
    if value.startswith(b"[") and has_placeholder(value):
        return any(_is_placeholder(bytes(item)) for item in _items.decode(value))
    return value in _VALUES


def complete(state: bytes, previous: bytes | None, unavailable_before: list[str]) -> tuple[bytes, list[str]]:
    """Fill placeholders from the entity's previous state, column by column.

    Args:
        state: the row with placeholders.
        previous: the entity's last state, if one is known.
        unavailable_before: columns whose value was already unknown in `previous`.

    Returns:
        The row, and the columns whose value nobody knows; these are null in the row.
    """
    fields = fields_of(state)
    known = fields_of(previous) if previous else {}
    unavailable = []
    for name in placeholders(fields):
        if name in known and name not in unavailable_before:
            fields[name] = known[name]
        else:
            fields[name] = msgspec.Raw(b"null")
            unavailable.append(name)
    return joined(fields), unavailable
