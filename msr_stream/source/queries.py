"""The SQL of this package: files of named, described statements beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_HEAD = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Query:
    """One statement of a file, and the comment above it."""

    name: str
    description: str
    sql: str


@cache
def load(file: str) -> dict[str, Query]:
    """The statements of a file, by name, in its order.

    Args:
        file: Its name without `.sql`.
    """
    text = (files("msr_stream.source") / "sql" / f"{file}.sql").read_text(encoding="utf-8")
    parts = _HEAD.split(text)[1:]  # what stands before the first name is about the file
    return {name: _query(name, body) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def _query(name: str, body: str) -> Query:
    lines = body.strip().split("\n")
    length = next((n for n, line in enumerate(lines) if not line.startswith("--")), len(lines))
    description = " ".join(line.removeprefix("--").strip() for line in lines[:length])
    return Query(name, description, "\n".join(lines[length:]))
