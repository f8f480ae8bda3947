"""The story as SQL. Every statement can be run twice, and a transaction whose end was not heard of is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files
from itertools import groupby
from typing import Any

import psycopg
from psycopg import sql

from msr_local.simulator.changes import Batch, Change, Delete, Insert, Purge, Update

Connection = psycopg.Connection[tuple[Any, ...]]


def set_up(connection: Connection, initial: Sequence[Insert]) -> None:
    """Create the tables, and the first rows unless they are there.

    Args:
        connection: To the source, in autocommit mode.
        initial: The story's first rows.
    """
    with connection.transaction():
        connection.execute((files("msr_local.simulator") / "schema.sql").read_bytes())
        if connection.execute("SELECT EXISTS (SELECT FROM sea.vessel)").fetchone() == (False,):
            _write(connection, initial)


def rewind(connection: Connection, initial: Sequence[Insert]) -> None:
    """Bring the rows back to the story's beginning, whatever an earlier run has left.

    Args:
        connection: To the source, in autocommit mode, after `set_up`.
        initial: The story's first rows.
    """
    with connection.transaction():
        for table in ("ops.assignment", "ops.incident", "air.plot"):
            connection.execute(sql.SQL("DELETE FROM {}").format(_name(table)))
        for table, inserts in groupby(initial, lambda insert: insert.table):
            keys = [insert.key for insert in inserts]
            column = next(iter(keys[0]))
            query = sql.SQL("DELETE FROM {} WHERE {} <> ALL (%s)").format(_name(table), sql.Identifier(column))
            connection.execute(query, [[key[column] for key in keys]])
        _write(connection, initial)


def write(connection: Connection, changes: Sequence[Change]) -> None:
    """Write what happened in one tick, as one transaction."""
    with connection.transaction():
        _write(connection, changes)


def _write(connection: Connection, changes: Iterable[Change]) -> None:
    with connection.cursor() as cursor:
        for _, group in groupby(changes, _shape):
            alike = list(group)
            first = alike[0]
            if isinstance(first, Batch):
                for batch in alike:
                    assert isinstance(batch, Batch)
                    _copy(cursor, batch)
            else:
                # all alike: one statement, prepared once, sent as a pipeline
                cursor.executemany(_statement(first), [_parameters(change) for change in alike])


def _shape(change: Change) -> tuple[object, ...]:
    """Changes of the same shape are the same statement."""
    keys = tuple(getattr(change, "key", ()))
    return (type(change), change.table, keys, tuple(getattr(change, "values", ())))


def _statement(change: Insert | Update | Delete | Purge | Batch) -> sql.Composed:
    table = _name(change.table)
    if isinstance(change, Purge):
        column = sql.Identifier(change.column)
        return sql.SQL("DELETE FROM {0} WHERE {1} >= %s AND {1} < %s").format(table, column)
    assert not isinstance(change, Batch)
    if isinstance(change, Insert):
        names = [*change.key, *change.values]
        return sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {}").format(
            table,
            _names(names),
            sql.SQL(", ").join([sql.Placeholder()] * len(names)),
            _names(change.key),
            sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in change.values),
        )
    where = _assignments(change.key, " AND ")
    if isinstance(change, Update):
        return sql.SQL("UPDATE {} SET {} WHERE {}").format(table, _assignments(change.values, ", "), where)
    return sql.SQL("DELETE FROM {} WHERE {}").format(table, where)


def _parameters(change: Change) -> tuple[Any, ...]:
    if isinstance(change, Update):
        return (*change.values.values(), *change.key.values())
    if isinstance(change, Insert):
        return (*change.key.values(), *change.values.values())
    if isinstance(change, Delete):
        return tuple(change.key.values())
    assert isinstance(change, Purge)
    return (change.first, change.last)


def _copy(cursor: psycopg.Cursor[tuple[Any, ...]], batch: Batch) -> None:
    first = batch.rows[0][0]
    again = Purge(batch.table, batch.columns[0], first, first + len(batch.rows))
    cursor.execute(_statement(again), _parameters(again))
    query = sql.SQL("COPY {} ({}) FROM STDIN").format(_name(batch.table), _names(batch.columns))
    with cursor.copy(query) as copy:
        for row in batch.rows:
            copy.write_row(row)


def _name(table: str) -> sql.Identifier:
    return sql.Identifier(*table.split("."))


def _names(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _assignments(names: Iterable[str], separator: str) -> sql.Composed:
    return sql.SQL(separator).join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in names)
