"""Nothing that a caller writes becomes SQL: not in parameters, not in a token, not in an address."""

from __future__ import annotations

from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import pytest
from msr_local.waiting import wait_until

from tests.acceptance.api import Api, is_refusal, text
from tests.acceptance.conftest import Scene
from tests.acceptance.verifier import now

SQL = (
    "'",
    "x' OR '1'='1",
    "'; DROP SCHEMA msr CASCADE; --",
    "x'); DELETE FROM msr.cdc_event; --",
    "1; COMMIT; DROP TABLE msr.cdc_event",
    "$$; DROP TABLE msr.cdc_event; $$",
    "x' UNION SELECT * FROM pg_shadow --",
    "\\'; SELECT pg_sleep(10); --",
    "{t1,t2}",
    "%27 OR 1=1",
    "$1",
    "\u02bc OR \u02bc1\u02bc=\u02bc1",
    "a\0b",
)


@pytest.fixture
def written(scene: Scene) -> datetime:
    """An instant that is settled, with rows of two tenants before it."""
    scene.only_worker()
    scene.write(
        "CREATE SCHEMA IF NOT EXISTS quoted",
        "CREATE TABLE IF NOT EXISTS quoted.row (id integer PRIMARY KEY, tenant_id text, word text)",
        "INSERT INTO quoted.row VALUES (1, 't1', 'one'), (2, 't2', 'two') ON CONFLICT DO NOTHING",
    )
    wait_until(lambda: bool(scene.rows("quoted.row")), 60, "the table is recorded")
    moment = now(scene.app_dsn)
    scene.api().wait_settled(moment)
    return moment


def catalogue(scene: Scene) -> set[Any]:
    """Every table of the history, and every event of the table that is asked for."""
    rows = scene.query(
        "SELECT relname, relkind::text FROM pg_class WHERE relnamespace = 'msr'::regnamespace AND relkind IN ('r', 'p')"
        " UNION ALL SELECT entity_id, op::text FROM msr.cdc_event WHERE table_name = 'quoted.row'"
    )
    assert len(rows) > 5
    return set(rows)


def test_sql_in_a_parameter_is_a_text_like_any_other(scene: Scene, written: datetime) -> None:
    """A parameter that is a time is 400; a table of such a name has no rows to leave out, so the answer is the same."""
    begun, api, at = catalogue(scene), scene.api(), text(written)
    start = text(scene_start(scene))
    asked: dict[str, dict[str, str]] = {
        "/replay/state": {"timestamp": at, "filter_tables": "no.table", "filter_min_timestamp": at},
        "/replay/events": {"start": start, "end": at, "filter_tables": "no.table", "filter_min_timestamp": at},
    }
    for path, query in asked.items():
        in_order = attrgetter("rows" if path == "/replay/events" else "entities")
        plain = in_order(api.get(path, None, **query))
        assert "two" not in {row["entity_state"]["word"] for row in plain if row["table_name"] == "quoted.row"}
        for name in [*query, "tenant_id", "order", "x' OR '1'='1"]:
            for sql in SQL:
                answer = api.get(path, None, **{**query, name: sql})
                is_time = name in query and name != "filter_tables"
                if is_time or ("\0" in sql and name == "filter_tables"):
                    assert is_refusal(answer, 400, "VALIDATION_FAILED"), (path, name, sql)
                else:
                    assert in_order(answer) == plain, (path, name, sql)
    assert not begun - catalogue(scene)
    assert "request failed" not in scene.log()


def scene_start(scene: Scene) -> datetime:
    """When the first row of the table that is asked for was written."""
    [(first,)] = scene.query("SELECT min(event_timestamp) FROM msr.cdc_event WHERE table_name = 'quoted.row'")
    moment: datetime = first
    return moment.astimezone(UTC)


def test_sql_in_a_token_is_the_name_of_a_tenant_that_has_nothing(scene: Scene, written: datetime) -> None:
    """Whoever may choose a tenant's name gets no other tenant's rows by it."""
    begun = catalogue(scene)
    for sql in (*SQL, "\ud800"):
        answer = Api(scene.worker.port, scene.stack.tokens.person("u", sql)).state(written)
        if "\0" in sql or sql == "\ud800":  # no text that a row could have
            assert is_refusal(answer, 403, "FORBIDDEN")
            continue
        assert not [row for row in answer.rows if row["table_name"] == "quoted.row"], sql
    assert not begun - catalogue(scene)
    assert "request failed" not in scene.log()


def test_sql_in_an_address_leads_nowhere(scene: Scene) -> None:
    for sql in ("'%20OR%20'1'='1", "%27;DROP%20TABLE%20msr.cdc_event;--", "..%2f..%2fetc"):
        for path in (f"/replay/{sql}", f"/replay/state/{sql}", f"/{sql}"):
            assert is_refusal(scene.api().get(path), 404, "NOT_FOUND"), path
