"""SQL lives in files: every query named (`-- name: …`) and described."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

_NAMED = re.compile(r"^-- name: (\w+)\n((?:-- [^\n]*\n)+)(.*?)(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)


def parse(text: str) -> Mapping[str, str]:
    """Query by name.

    Raises:
        ValueError: a name is given twice.
    """
    queries: dict[str, str] = {}
    for name, _description, sql in _NAMED.findall(text):
        if name in queries:
            raise ValueError(f"query {name} is there twice")
        queries[name] = sql.strip()
    return MappingProxyType(queries)


@cache
def load(name: str) -> Mapping[str, str]:
    """The queries of `sql/<name>.sql`."""
    return parse(files("msr_stream.store").joinpath("sql", f"{name}.sql").read_text())
