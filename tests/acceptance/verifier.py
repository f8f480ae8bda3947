"""Holds what was recorded against what the source's own triggers kept, in the source database, value by value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from msr_stream.store.queries import parse
from tests.acceptance.api import Api, fold, text

TABLES = ("craft", "beacon", "assignment", "berth", "reading")

_sql = parse(Path(__file__).with_name("verifier.sql").read_text())
_EVENTS = b"""
COPY (SELECT shard_id, position, event_timestamp, source_timestamp, source_lsn, source_txid, op, table_name, entity_id,
             tenant_id, entity_state, unavailable_fields
      FROM msr.cdc_event LEFT JOIN unnest(%s::int[], %s::bigint[]) AS k (shard_id, known) USING (shard_id)
      WHERE table_name LIKE 'truth.%%' AND position > coalesce(known, 0)) TO STDOUT
"""


class Lifts(NamedTuple):
    """By how much effective times are above source times.

    Attributes:
        changes: how many changes were looked at.
        lifted: how many of them were lifted at all.
        millis: median, 99 %, 99.9 % and most.
    """

    changes: int
    lifted: int
    millis: Sequence[float]


class Verifier:
    """Compares one source with one history.

    Attributes:
        viewers: tenant to the API as somebody of that tenant sees it.
    """

    def __init__(self, source_dsn: str, history_dsn: str, viewers: dict[str, Api]) -> None:
        self.viewers = viewers
        self._source_dsn, self._history_dsn = source_dsn, history_dsn

    def verify(self, since: datetime, instants: int = 10, limit: float = 60) -> Lifts:
        """Everything committed so far is recorded, once and as it was; the world was so at random busy instants.

        Args:
            since: instants are taken, and lifts measured, from here on.
            instants: how many.
            limit: seconds that may pass until all of it is settled.
        """
        with self._source() as source:
            last = source.execute("SELECT max(committed_at), now() FROM proof.change").fetchone()
            assert last is not None
            next(iter(self.viewers.values())).wait_settled(last[0], limit)
            self._match(source)
            self._check_events(source)
            chosen = [row[0] for row in source.execute(_sql["instants"], [since, instants])]
            assert len(chosen) == instants, "nothing has happened"
            self._check_states(source, chosen)
            self._check_windows(chosen)
            return self._lifts(source, since)

    def lifted(self, since: datetime, millis: float) -> list[Any]:
        """Changes lifted by more than so many milliseconds."""
        with self._source() as source:
            return source.execute(_sql["lifted"], [since, millis]).fetchall()

    def _match(self, source: psycopg.Connection[Any]) -> None:
        """Bring what is new in the history, and find each change's event."""
        known = source.execute("SELECT shard_id, max(position) FROM proof.event GROUP BY 1").fetchall()
        shards = [[row[0] for row in known], [row[1] for row in known]]
        with psycopg.connect(self._history_dsn) as history, source.transaction():
            source.execute("TRUNCATE proof.recorded")
            into = source.cursor().copy("COPY proof.event FROM STDIN")
            with history.cursor().copy(_EVENTS, shards) as events, into as copy:
                for piece in events:
                    copy.write(piece)
            source.execute("ANALYZE proof.event")
            source.execute(_sql["match"].replace("{{", "{").replace("}}", "}").encode())
        source.execute("ANALYZE proof.recorded")

    def _check_events(self, source: psycopg.Connection[Any]) -> None:
        problems = source.execute(_sql["problems"].encode()).fetchall()
        assert not problems, _listed(problems)
        for table in TABLES:
            query = _sql["values"].format(name=table, differences=_differences(source, table))
            different = source.execute(query.encode()).fetchall()
            assert not different, f"recorded values of {table} differ: {_listed(different)}"

    def _check_states(self, source: psycopg.Connection[Any], instants: Iterable[datetime]) -> None:
        """The state at these instants, for each viewer, is the fold of the proof by effective time."""
        source.execute("TRUNCATE proof.replayed")
        for at in instants:
            for tenant, api in self.viewers.items():
                answer = api.state(at)
                assert answer.status == 200, answer
                assert answer.settled_until >= at
                named = set(answer.headers.get("x-incomplete", "").split(","))  # those of other tests come later
                assert not named & {event["table_name"] for event in answer.rows}, answer.headers
                source.execute(_sql["load"], [at, tenant, answer.body.decode()])
        source.execute("ANALYZE proof.replayed")
        for table in TABLES:
            query = _sql["states"].format(name=table, literal=f"'{table}'", differences=_differences(source, table))
            different = source.execute(query.encode()).fetchall()
            assert not different, f"replayed states of {table} differ: {_listed(different)}"

    def _check_windows(self, instants: Sequence[datetime]) -> None:
        """state(a) + events(a, b) = state(b)."""
        ordered = sorted(instants)
        windows = [(ordered[0], ordered[-1]), *islice(pairwise(ordered), 3)]
        for api in self.viewers.values():
            for start, end in windows:
                check_window(api, start, end)

    def _lifts(self, source: psycopg.Connection[Any], since: datetime) -> Lifts:
        row = source.execute(_sql["lifts"], [since]).fetchone()
        assert row is not None
        return Lifts(row[0], row[1], [float(one) for one in row[2]])

    def _source(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self._source_dsn, autocommit=True, options="-c timezone=UTC")


def check_window(api: Api, start: datetime, end: datetime) -> None:
    """state(start) + events(start, end) = state(end), as sent; the events come in order."""
    before, between, after = api.state(start).rows, api.events(start, end).rows, api.state(end).rows
    times = [event["event_timestamp"] for event in between]
    assert times == sorted(times)
    assert all(text(start) < _comparable(time) <= text(end) for time in times)
    found, wanted = fold(before, between), fold(after, [])
    wrong = [
        (key, found.get(key), wanted.get(key))
        for key in found.keys() | wanted.keys()
        if found.get(key) != wanted.get(key)
    ]
    assert not wrong, f"state({start}) + events(…) is not state({end}): {_listed(wrong[:3])}"


def now(source_dsn: str) -> datetime:
    """The source's clock."""
    with psycopg.connect(source_dsn, autocommit=True) as source:
        row = source.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment.astimezone(UTC)


def _comparable(time: str) -> str:
    return text(datetime.fromisoformat(time))


def _differences(source: psycopg.Connection[Any], table: str) -> str:
    """SQL: the names of columns in which the JSON `r.state` is not the row `p.image`."""
    query = _sql["columns"].format(table=f"'truth.{table}'")
    columns = source.execute(query.encode()).fetchall()
    return ", ".join(_difference(*column) for column in columns)


def _difference(name: str, kind: str, is_array: bool) -> str:
    replayed = f"r.state ->> '{name}'"
    if kind == "bytea":
        replayed = f"decode({replayed}, 'base64')"
    elif is_array:
        replayed = f"proof.element_texts(r.state -> '{name}')"
    recorded = f"(p.image).{name}"
    if kind == "json":  # a type without equality
        replayed, kind, recorded = f"({replayed})", "text", f"{recorded}::text"
    return f"CASE WHEN ({replayed})::{kind} IS DISTINCT FROM {recorded} THEN '{name}' END"


def _listed(rows: Iterable[Any]) -> str:
    return "\n  ".join(["", *(str(row)[:1500] for row in rows)])
