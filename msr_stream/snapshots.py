"""Snapshots on demand: the signal that asks Debezium to send tables whole (contract, section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

import orjson


def signal(tables: Sequence[str], kind: str = "blocking", request_id: str | None = None) -> bytes:
    """The value of a record on the signal topic; its key is the source.

    Args:
        tables: `schema.table`, as the source itself names them.
        kind: `blocking` or `incremental`.
        request_id: repeated in what is told of an incremental snapshot; a new one if there is none.
    """
    data = {"data-collections": list(tables), "type": kind}
    return orjson.dumps({"id": request_id or str(uuid4()), "type": "execute-snapshot", "data": data})
