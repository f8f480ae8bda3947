"""What the browser's stories need in a stack that the console itself cannot make."""

from __future__ import annotations

import json
from typing import Any

import psycopg
from msr_local import rest
from msr_local.stack import Stack
from msr_local.waiting import wait_until

from tests.acceptance.broker import Broker

#: A table that seldom changes: the simulator does not know it.
TABLE = "ops.notice"
#: So many seconds nothing happens in it.
IDLE = 20


def prepare(stack: Stack) -> dict[str, str]:
    """Make it all; environment variables that tell the stories what there is.

    `MSR_SELDOM`: the table with two changes, a long time apart. `MSR_LETTERS`: two dead letters, one whose cause is
    gone and one that will never be recorded. `MSR_ENDED`: a session of admin's that ended unseen.
    """
    with psycopg.connect(stack.postgres.dsn("source", "app"), autocommit=True) as source:
        source.execute("CREATE TABLE ops.notice (notice_id integer PRIMARY KEY, text text, told_at timestamptz)")
        source.execute("INSERT INTO ops.notice VALUES (1, 'it begins', clock_timestamp())")
        letters = _letters(stack, source)
        ended = _ended(stack)
        idle = f"SELECT clock_timestamp() > told_at + interval '{IDLE} s' FROM ops.notice WHERE notice_id = 1"
        wait_until(lambda: source.execute(idle.encode()).fetchone() == (True,), 60, "nothing has happened for a while")
        source.execute("INSERT INTO ops.notice VALUES (2, 'it goes on', clock_timestamp())")
    seldom = {"table": TABLE, "idle": IDLE}
    given = {"MSR_SELDOM": seldom, "MSR_LETTERS": letters, "MSR_ENDED": ended}
    return {name: json.dumps(value) for name, value in given.items()}


def ask(stack: Stack, who: str, method: str, path: str, body: object = None) -> Any:
    """The data of an answer, which must be a good one."""
    token = stack.tokens.ensure()[who]
    status, answer = rest.request(method, f"http://127.0.0.1:{stack.ports.app}{path}", body, token, limit=30)
    assert status == 200, (status, answer)
    return answer["data"]


def _letters(stack: Stack, source: psycopg.Connection[Any]) -> dict[str, str]:
    """A row that the history database refused for a while, and a record that nobody can read."""

    def kept(code: str) -> bool:
        return bool(ask(stack, "root", "GET", f"/admin/dead-letters?state=kept&code={code}"))

    def is_recorded() -> bool:
        return TABLE in [one["table_name"] for one in ask(stack, "alice", "GET", "/replay/tables")]

    wait_until(is_recorded, 60, "the table is recorded")
    with psycopg.connect(stack.history_dsn, autocommit=True) as history:
        history.execute(
            "ALTER TABLE msr.cdc_event ADD CONSTRAINT refused CHECK (entity_state NOT LIKE '%unwanted%') NOT VALID"
        )
        try:
            source.execute("INSERT INTO ops.notice VALUES (3, 'unwanted', clock_timestamp())")
            wait_until(lambda: kept("REFUSED_BY_DATABASE"), 60, "the row is put aside")
        finally:
            history.execute("ALTER TABLE msr.cdc_event DROP CONSTRAINT refused")
    Broker(stack.kafka.brokers).produce(f"{stack.prefix}.{TABLE}", [(b'{"notice_id":4}', b"{never closed", [])])
    wait_until(lambda: kept("NOT_JSON"), 60, "the record is put aside")
    return {"refused": "REFUSED_BY_DATABASE", "unreadable": "NOT_JSON"}


def _ended(stack: Stack) -> dict[str, Any]:
    """A session with filters, speed and a story in its order, not seen for too long."""
    session = ask(stack, "admin", "POST", "/session")
    path, tables = f"/session/{session['id']}", ["ops.weather", TABLE]
    settled = ask(stack, "admin", "GET", "/replay/range")["settled_until"]
    change = {"occ_lock": session["occ_lock"], "playhead": settled, "speed": 5, "filters": {"tables": tables}}
    ask(stack, "admin", "PATCH", path, change)
    for title in ("The end", "The beginning"):
        added = ask(stack, "admin", "POST", f"{path}/bookmarks", {"timestamp": settled, "title": title, "note": "why"})
    ask(stack, "admin", "PATCH", f"{path}/bookmarks/{added['id']}", {"rank": 0})
    with psycopg.connect(stack.history_dsn, autocommit=True) as history:

        def has_ended() -> bool:
            # Once more each time: what its owner has seen last may be written later.
            history.execute("UPDATE msr.session SET last_seen_at = '2000-01-01' WHERE id = %s", (session["id"],))
            return bool(ask(stack, "admin", "GET", path)["status"] == "INACTIVE")

        wait_until(has_ended, 60, "the session ends unseen", every=0.5)
    return {"id": session["id"], "tables": tables, "titles": ["The beginning", "The end"]}
