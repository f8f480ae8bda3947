"""A filter as SQL text: which rows an answer holds, and what of each."""

from __future__ import annotations

from msr_stream.replay import Filter
from msr_stream.store import queries
from msr_stream.store.literals import instant, literal

_sql = queries.load("replay")
#: The part of `row` that gives the whole entity.
_WHOLE = "coalesce(entity_state, 'null')"


def row(chosen: Filter) -> str:
    """The expression that gives one line of JSON text: without `fields` the fast one, which reads no row."""
    if not chosen.fields:
        return _sql["row"]
    return _sql["row"].replace(_WHOLE, _sql["some_fields"].format(fields=literal(chosen.fields)))


def of_tables(condition: str, chosen: Filter) -> str:
    """A condition on what is read, and that it is of the tables asked for: an entity never changes its table."""
    return f"({condition}) AND table_name = ANY ({literal(chosen.only)})" if chosen.only else condition


def left_out(chosen: Filter) -> str:
    """The condition on what has been read: rows and events of some tables that are too old are left out."""
    if not chosen.tables or chosen.since is None:
        return "true"
    return f"NOT (table_name = ANY ({literal(chosen.tables)}) AND event_timestamp < {instant(chosen.since)})"
