"""The last commands of each replay session, with their answers."""

from __future__ import annotations

from typing import Any

import msgspec

from msr_stream.app import app
from msr_stream.sessions.owner import Timeline

table: Any = app.Table(
    "timelines",
    key_type=bytes,
    partitions=app.msr.session_partitions,
    help="The last commands of each replay session with their answers: one that comes again is answered, not applied.",
)


def read(key: bytes) -> Timeline:
    """The last commands of a session."""
    kept = table.get(key)
    return msgspec.convert(kept, Timeline) if kept is not None else Timeline()


def write(key: bytes, timeline: Timeline, *, active: bool) -> None:
    """Keep them while the session is active; then the database alone knows; only from the stream that owns it."""
    if active:
        table[key] = msgspec.to_builtins(timeline)
    elif key in table:
        del table[key]
