"""Truncates while the application goes on, rows deleted while nothing captured, and the gaps that answers name."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import psycopg
from msr_local.waiting import wait_until

from tests.acceptance.api import text
from tests.acceptance.conftest import Scene
from tests.acceptance.test_7_slot import slot_state
from tests.acceptance.verifier import check_window, now

TABLES = ("cmd.one", "cmd.two", "cmd.three")


@contextmanager
def busy(scene: Scene) -> Iterator[list[int]]:
    """Rows come and change in all tables, each under an id that never comes again; yields the number of the last."""
    stop, last = threading.Event(), [0]

    def application() -> None:
        with psycopg.connect(scene.app_dsn, autocommit=True) as source:
            while not stop.wait(0.002):
                last[0] += 1
                for table in TABLES:
                    source.execute(f"INSERT INTO {table} VALUES (%s, 't1', 0)".encode(), [last[0]])
                    source.execute(f"UPDATE {table} SET n = n + 1 WHERE id > %s".encode(), [last[0] - 3])

    thread = threading.Thread(target=application)
    thread.start()
    try:
        yield last
    finally:
        stop.set()
        thread.join()


def truncate(scene: Scene, *tables: str) -> dict[str, set[str]]:
    """Truncate tables in one statement; returns which rows each had at that moment."""
    with psycopg.connect(scene.app_dsn) as source:
        source.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE".encode())
        had = {
            table: {key for (key,) in source.execute(f"SELECT id::text FROM {table}".encode()).fetchall()}
            for table in tables
        }
        source.execute(f"TRUNCATE {', '.join(tables)}".encode())
    return had


def there(scene: Scene, table: str) -> dict[str, Any]:
    """What the source holds."""
    with psycopg.connect(scene.app_dsn) as source:
        return dict(source.execute(f"SELECT id::text, to_jsonb(t) FROM {table} t".encode()).fetchall())


def coverage(scene: Scene, table: str, start: datetime) -> dict[str, Any]:
    """What is told of a table."""
    answer = scene.api().get("/replay/coverage", start=text(start), end=text(now(scene.app_dsn)))
    assert answer.status == 200, answer.body
    return next(one for one in answer.json["data"] if one["table_name"] == table)


def named(scene: Scene, at: datetime) -> list[str]:
    """The tables that an answer names; header and body say the same."""
    answer = scene.api().state(at)
    assert answer.status == 200, answer.body
    names: list[str] = answer.json["incomplete"]
    assert ",".join(names) == answer.headers.get("x-incomplete", "")
    return names


def settled(scene: Scene) -> datetime:
    """This moment, once it is settled."""
    moment = now(scene.app_dsn)
    scene.api().wait_settled(moment)
    return moment


def test_a_truncate_ends_exactly_the_rows_before_it_while_the_application_goes_on(scene: Scene) -> None:
    scene.only_worker()
    scene.write("CREATE SCHEMA cmd", *(f"CREATE TABLE {t} (id int PRIMARY KEY, tenant_id text, n int)" for t in TABLES))
    gone: list[tuple[str, set[str]]] = []
    with busy(scene) as last:
        wait_until(lambda: len(scene.rows("cmd.one")) > 50, 60, "it is busy")
        begun = settled(scene)
        for tables in (("cmd.one",), ("cmd.two", "cmd.three"), ("cmd.one",)):
            gone += truncate(scene, *tables).items()
            more = last[0] + 60
            wait_until(lambda more=more: last[0] > more, 60, "it goes on")  # type: ignore[misc]
    end = settled(scene)
    for table in TABLES:
        assert scene.rows(table) == there(scene, table)
    found = scene.api().events(begun, end).rows
    for table, had in gone:
        assert len(had) > 20
        ended = [one for one in found if one["table_name"] == table and one["op"] == "d" and one["entity_id"] in had]
        assert {one["entity_id"] for one in ended} == had
        assert len(ended) == len(had)
        times = sorted(datetime.fromisoformat(one["event_timestamp"]) for one in ended)
        scene.tell(f"{table}: {len(had)} rows ended within {times[-1] - times[0]}")
        below = max(map(int, had))
        before = {int(row["entity_id"]) for row in state(scene, table, times[0] - timedelta(microseconds=1))}
        assert {number for number in before if number <= below} == set(map(int, had))
        for step in range(4):
            at = times[-1] + (end - times[-1]) / 3 * step
            assert not [row for row in state(scene, table, at) if int(row["entity_id"]) <= below]
    deletes = [one for one in found if one["table_name"] in TABLES and one["op"] == "d"]
    assert len(deletes) == sum(len(had) for _, had in gone)
    check_window(scene.api(), begun, end)
    assert scene.query("SELECT count(*) FROM msr.table_command WHERE kind = 'truncate'") == [(4,)]


def state(scene: Scene, table: str, at: datetime) -> list[dict[str, Any]]:
    """The rows of a table at an instant."""
    return [row for row in scene.api().state(at).rows if row["table_name"] == table]


def test_a_table_added_later_is_named_before_it_was_captured(scene: Scene) -> None:
    scene.only_worker()
    before = settled(scene)
    scene.write("CREATE SCHEMA late", "CREATE TABLE late.row (id int PRIMARY KEY)", "INSERT INTO late.row VALUES (1)")
    wait_until(lambda: len(scene.rows("late.row")) == 1, 60, "it is recorded")
    after = settled(scene)
    assert "late.row" in named(scene, before)
    assert "late.row" not in named(scene, after)
    told = coverage(scene, "late.row", before)
    assert [gap["reason"] for gap in told["gaps"]] == ["not captured yet"]
    assert [interval["until"] for interval in told["intervals"]] == [None]
    assert "late.row" in scene.api().events(before, after).headers["x-incomplete"]


def test_rows_deleted_while_the_slot_was_gone_end_with_the_next_snapshot(scene: Scene) -> None:
    """A connector that is merely down ends no coverage: its slot has what it has not sent."""
    scene.only_worker()
    scene.write(
        "CREATE SCHEMA gone",
        "CREATE TABLE gone.row (id int PRIMARY KEY, n int)",
        "CREATE TABLE gone.empty (id int PRIMARY KEY)",
    )
    scene.write(
        "INSERT INTO gone.row SELECT n, 0 FROM generate_series(1, 20) n", "INSERT INTO gone.empty VALUES (1), (2)"
    )
    wait_until(lambda: len(scene.rows("gone.row")) == 20, 60, "the table is recorded")
    wait_until(lambda: len(scene.rows("gone.empty")) == 2, 60, "the other one, too")
    full = settled(scene)
    scene.stack.connect.stop()
    wait_until(lambda: slot_state(scene) == "reserved", 60, "it is looked at", every=0.5)
    assert coverage(scene, "gone.row", full)["gaps"] == []
    with psycopg.connect(scene.stack.source_dsn, autocommit=True) as source:
        source.execute("SELECT pg_drop_replication_slot('msr_slot')")
    wait_until(lambda: slot_state(scene) == "missing", 60, "the loss is noticed", every=0.5)
    scene.write(
        "DELETE FROM gone.row WHERE id <= 5", "UPDATE gone.row SET n = 1 WHERE id = 6", "DELETE FROM gone.empty"
    )
    scene.stack.connect.start()
    scene.stack.connect.wait_ready()
    scene.stack.wait_capturing()
    wait_until(lambda: len(scene.rows("gone.row")) == 15, 90, "what is gone has ended", every=0.5)
    assert scene.rows("gone.row") == there(scene, "gone.row")
    wait_until(lambda: not scene.rows("gone.empty"), 60, "so has all of a table that is empty now", every=0.5)
    end = settled(scene)
    assert len(state(scene, "gone.row", full)) == 20
    told = coverage(scene, "gone.row", full)
    assert [gap["reason"] for gap in told["gaps"]] == ["slot lost: it is missing"]
    assert told["intervals"][-1]["until"] is None
    gap = {name: datetime.fromisoformat(told["gaps"][0][name]) for name in ("from", "until")}
    scene.tell(f"gap of {gap['until'] - gap['from']}")
    assert "gone.row" in named(scene, gap["from"] + (gap["until"] - gap["from"]) / 2)
    assert "gone.row" not in named(scene, end)
    check_window(scene.api(), full, end)


def test_a_log_trimmed_beyond_what_was_recorded_is_a_gap_until_the_snapshot_that_is_requested(scene: Scene) -> None:
    """A row whose deletion was trimmed away ends with that snapshot."""
    scene.only_worker()
    scene.write("CREATE SCHEMA trim", "CREATE TABLE trim.row (id int PRIMARY KEY, n int)")
    scene.write("INSERT INTO trim.row SELECT n, 0 FROM generate_series(1, 40) n")
    wait_until(lambda: len(scene.rows("trim.row")) == 40, 60, "the table is recorded")
    begun = settled(scene)
    size = scene.broker.size("demo.trim.row")
    scene.worker.stop()
    scene.write("UPDATE trim.row SET n = 1 WHERE id > 20", "DELETE FROM trim.row WHERE id <= 20")
    scene.broker.size("demo.trim.row", more_than=size + 59)
    scene.broker.trim("demo.trim.row")
    scene.only_worker()
    wait_until(lambda: scene.rows("trim.row") == there(scene, "trim.row"), 90, "the requested snapshot", every=0.5)
    end = settled(scene)
    reasons = {gap["reason"].split(":")[0] for gap in coverage(scene, "trim.row", begun)["gaps"]}
    assert reasons == {"hole"}
    assert "trim.row" not in named(scene, end)
    assert "trim.row" in scene.api().events(begun, end).json["incomplete"]
