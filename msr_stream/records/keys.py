"""From a record's key to an entity id."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from msr_stream.errors import RecordError

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)
_any = msgspec.json.Decoder(msgspec.Raw)
#: The values of a composite id; after the last one another, which is empty.
_PART = re.compile(r"((?:[^:\\]|\\.)*)(?::|$)", re.DOTALL)


def entity_id(key: bytes) -> str:
    r"""The primary key as text: `7`, or `7:A\:1` for a composite one (values joined in key order).

    Raises:
        RecordError: the key is not JSON, or holds nothing.
    """
    try:
        values = _values(key)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecordError("KEY_NOT_JSON", f"the record's key is not JSON: {error}") from error
    if not values:
        raise no_key()
    text = values[0] if len(values) == 1 else ":".join(map(_escape, values))
    if "\0" in text:
        raise RecordError("NUL_CHARACTER", "the record's key holds a NUL character, which PostgreSQL cannot store")
    return text


def no_key() -> RecordError:
    """The error of a record that nothing identifies."""
    return RecordError(
        "NO_KEY",
        "the record has no key, so nothing says which row it is: give the table a primary key, "
        "or name its columns in the connector's message.key.columns",
    )


def _values(key: bytes) -> list[str]:
    if key[:1] != b"{" and key.lstrip()[:1] != b"{":
        value = _any.decode(key)
        return [] if bytes(value) == b"null" else [value_text(value)]
    fields = _fields.decode(key)
    if len(fields) == 2 and "schema" in fields and "payload" in fields:
        return _values(bytes(fields["payload"]))
    return list(map(value_text, fields.values()))


def value_text(value: msgspec.Raw) -> str:
    """A JSON value as text: strings without quotes, everything else as it was written."""
    raw = bytes(value)
    return _text.decode(raw) if raw[:1] == b'"' else raw.decode()


def key_columns(entity: str, fields: Mapping[str, msgspec.Raw]) -> list[str]:
    """The columns of a row whose values are its entity's id, in the id's order; empty: the row does not tell.

    Of several columns with the same value the first counts: a key comes first.
    """
    texts = {name: value_text(value) for name, value in fields.items()}
    alone = next((name for name, text in texts.items() if text == entity), None)
    if alone is not None:
        return [alone]
    found: list[str] = []
    for part in _PART.findall(entity)[:-1]:
        name = next((name for name, text in texts.items() if _escape(text) == part and name not in found), None)
        if name is None:
            return []
        found.append(name)
    return found


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:")
