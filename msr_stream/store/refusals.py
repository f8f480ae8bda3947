"""Why the database refused a row, without the row: reasons are logged and shown to people of other tenants."""

from __future__ import annotations

import re

import asyncpg

_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")


def why(error: asyncpg.PostgresError) -> str:
    """What was refused and by what, in names of the schema alone.

    The server's own message and its detail may quote the row ("Failing row contains …"): neither is in it.
    Codes: PostgreSQL documentation, appendix A.
    """
    name = _WORD.sub(" ", type(error).__name__.removesuffix("Error")).lower()
    named = {
        "constraint": error.constraint_name, "column": error.column_name, "type": error.data_type_name,
        "table": error.table_name,
    }  # fmt: skip
    return ", ".join([f"{name} (SQLSTATE {error.sqlstate})", *(f"{what} {of}" for what, of in named.items() if of)])
