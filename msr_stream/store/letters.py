"""Dead letters as they are stored."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from msr_stream.records.change import DeadLetter


class Letter(NamedTuple):
    """A dead letter as stored, on its way to the dead letter topic."""

    dead_letter_id: int
    record_offset: int
    record_timestamp: int
    code: str
    reason: str
    record_key: bytes | None
    record_value: bytes | None
    record_headers: list[tuple[str, bytes]]


def letter_columns(letters: Sequence[tuple[DeadLetter, Any]]) -> list[list[Any]]:
    """Dead letters and their records as the columns that `add_dead_letters` takes."""
    found = []
    for letter, record in letters:
        lsn, txid, table_name, entity_id = letter.identity or (None, None, None, None)
        headers = json.dumps([(name, base64.b64encode(value or b"").decode()) for name, value in record.headers])
        found.append(
            (letter.offset, record.timestamp, letter.code, letter.reason.replace("\0", "\\0"), record.key, record.value,
             headers.replace("\\u0000", ""), table_name, entity_id, lsn, txid)
        )  # fmt: skip
    return [list(column) for column in zip(*found, strict=True)]


def headers_from(text: str) -> list[tuple[str, bytes]]:
    """A record's headers as they were, from how they are stored."""
    return [(name, base64.b64decode(value)) for name, value in json.loads(text)]
