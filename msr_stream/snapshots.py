"""Snapshots on demand: the signal that asks Debezium to send tables whole (contract, section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

import orjson


def signal(tables: Sequence[str], kind: str = "blocking") -> bytes:
    """The value of a record on the signal topic; its key is the source.

    Args:
        tables: `schema.table`, as the source itself names them.
        kind: `blocking` or `incremental`.
    """
    data = {"data-collections": list(tables), "type": kind}
    return orjson.dumps({"id": str(uuid4()), "type": "execute-snapshot", "data": data})
