"""The owner's copy of each replay session."""

from __future__ import annotations

from typing import Any

import msgspec

from msr_stream.app import app
from msr_stream.sessions.owner import Copy

table: Any = app.Table(
    "sessions",
    key_type=bytes,
    partitions=app.msr.session_partitions,
    help="The owner's copy of each replay session, and what of it is not flushed yet.",
)


def read(key: bytes, partition: int) -> Copy:
    """The copy of a session; an empty one if there is none."""
    kept = table.get(key)
    return msgspec.convert(kept, Copy) if kept is not None else Copy(partition)


def write(key: bytes, copy: Copy) -> None:
    """Keep a copy, or let it go when the session has ended and nothing waits; only from the stream that owns it."""
    if copy.buffered or (copy.session is not None and copy.session.active):
        table[key] = msgspec.to_builtins(copy)
    elif key in table:
        del table[key]


def owned(partitions: set[int]) -> list[tuple[bytes, Copy]]:
    """The copies of some partitions of the command topic: a table in memory also holds those of others."""
    copies = [(key, msgspec.convert(kept, Copy)) for key, kept in table.items()]
    return [(key, copy) for key, copy in copies if copy.partition in partitions]
