"""Topics that are deleted and made anew: what is recorded stays, what is lost is named, the newest state comes back."""

from __future__ import annotations

import threading
from signal import SIGCONT, SIGSTOP
from typing import Any

import psycopg
import pytest
from msr_local.waiting import wait_until

from tests.acceptance.conftest import Scene
from tests.acceptance.verifier import check_window, now

_EVENTS = """
SELECT count(*), md5(string_agg(e::text, '|' ORDER BY shard_id, position))
FROM msr.cdc_event e JOIN unnest(%s::int[], %s::bigint[]) AS k (shard_id, last) USING (shard_id) WHERE position <= last
"""
_LAST = "SELECT array_agg(shard_id), array_agg(last_position) FROM msr.shard WHERE topic = %s"
_REASONS = "SELECT reason FROM msr.coverage JOIN msr.shard USING (shard_id) WHERE topic = %s AND reason IS NOT NULL"


def prepare(scene: Scene, table: str) -> None:
    """A table with changes of every kind, recorded."""
    scene.only_worker()
    scene.write(
        "CREATE SCHEMA IF NOT EXISTS anew",
        f"CREATE TABLE anew.{table} (id integer PRIMARY KEY, tenant_id text, n integer, note text)",
        f"ALTER TABLE anew.{table} ALTER note SET STORAGE EXTERNAL",
        f"INSERT INTO anew.{table} SELECT n, 't1', 0, repeat('note', 1000) FROM generate_series(1, 60) n",
        f"UPDATE anew.{table} SET n = n + 1 WHERE id % 3 = 0",
        f"DELETE FROM anew.{table} WHERE id % 10 = 0",
    )
    wait_until(lambda: replayed(scene, table) == there(scene, table), 60, "the table is recorded")


def there(scene: Scene, table: str) -> dict[str, Any]:
    """What the source holds."""
    with psycopg.connect(scene.app_dsn) as source:
        rows = source.execute(f"SELECT id::text, to_jsonb(t) FROM anew.{table} t".encode()).fetchall()
    return dict(rows)


def replayed(scene: Scene, table: str) -> dict[str, Any]:
    """What the newest state holds."""
    return scene.rows(f"anew.{table}")


@pytest.mark.parametrize("worker", ["running", "away"])
def test_with_the_source_quiet_nothing_is_lost(scene: Scene, worker: str) -> None:
    """No earlier event changes, and after the requested snapshot the state equals the source's."""
    table, topic = f"quiet_{worker}", f"demo.anew.quiet_{worker}"
    begun = now(scene.app_dsn)
    prepare(scene, table)
    [last] = scene.query(_LAST, topic)
    before, middle = scene.query(_EVENTS, *last), now(scene.app_dsn)
    scene.api().wait_settled(middle)
    answered = scene.api().events(begun, middle).rows
    if worker == "away":
        scene.worker.stop()
    scene.broker.make_anew(topic)
    scene.only_worker()
    wait_until(lambda: len(scene.query(_REASONS, topic)) == 4, 60, "all four partitions are named", every=0.5)
    assert all("made anew" in reason for (reason,) in scene.query(_REASONS, topic))
    wait_until(lambda: bool(snapshot_rows(scene, topic)), 60, "the snapshot that was requested", every=0.5)
    wait_until(lambda: replayed(scene, table) == there(scene, table), 60, "the state equals the source's", every=0.5)
    assert scene.query(_EVENTS, *last) == before
    assert scene.api().events(begun, middle).rows == answered
    assert f"topic made anew: {topic}" in scene.log()
    end = now(scene.app_dsn)
    scene.api().wait_settled(end)
    check_window(scene.api(), middle, end)


def snapshot_rows(scene: Scene, topic: str) -> int:
    """How many rows of snapshots are recorded."""
    query = "SELECT count(*) FROM msr.cdc_event JOIN msr.shard USING (shard_id) WHERE topic = %s AND op = 'r'"
    [(rows,)] = scene.query(query, topic)
    return int(rows)


def test_with_the_source_busy_the_newest_state_is_right_and_the_hole_is_named(scene: Scene) -> None:
    table, topic = "busy", "demo.anew.busy"
    prepare(scene, table)
    [last] = scene.query(_LAST, topic)
    before = scene.query(_EVENTS, *last)
    stop, deleted = threading.Event(), []

    def application() -> None:
        with psycopg.connect(scene.app_dsn, autocommit=True) as source:
            number = 1000
            while not stop.wait(0.02):
                number += 1
                source.execute("INSERT INTO anew.busy VALUES (%s, 't1', 0, repeat('busy', 1000))", [number])
                source.execute("UPDATE anew.busy SET n = n + 1 WHERE id %% 7 = %s", [number % 7])
                if number % 20 == 0:
                    source.execute("DELETE FROM anew.busy WHERE id = %s", [number - 10])
                    deleted.append(str(number - 10))

    thread = threading.Thread(target=application)
    thread.start()
    try:
        wait_until(lambda: len(replayed(scene, table)) > 70, 60, "it is busy")
        scene.broker.make_anew(topic)
        wait_until(lambda: bool(snapshot_rows(scene, topic)), 90, "the snapshot that was requested", every=0.5)
        grown = len(there(scene, table))
        wait_until(lambda: len(there(scene, table)) > grown + 30, 60, "it goes on")
    finally:
        stop.set()
        thread.join()

    def newest() -> dict[str, Any]:
        return {key: row for key, row in replayed(scene, table).items() if key not in deleted}

    wait_until(lambda: newest() == there(scene, table), 60, "the newest state is the source's", every=0.5)
    reasons = [reason for (reason,) in scene.query(_REASONS, topic)]
    assert reasons
    assert all("made anew" in reason or "hole" in reason for reason in reasons)
    assert any(reason in scene.log() for reason in reasons)
    assert scene.query(_EVENTS, *last) == before


def test_a_log_made_anew_that_outgrows_the_old_one_at_once(scene: Scene) -> None:
    """The old offsets exist in the new log before any reader has looked: the topic's id alone tells the two apart."""
    table, topic = "burst", "demo.anew.burst"
    prepare(scene, table)
    [last] = scene.query(_LAST, topic)
    before = scene.query(_EVENTS, *last)
    scene.worker.signal(SIGSTOP)
    try:
        scene.broker.make_anew(topic)
        scene.write("INSERT INTO anew.burst SELECT n, 't1', 0, 'burst' FROM generate_series(1001, 2000) n")
        wait_until(lambda: scene.broker.size(topic) == 1000, 60, "the new log is longer than the old one")
    finally:
        scene.worker.signal(SIGCONT)
    wait_until(lambda: len(scene.query(_REASONS, topic)) == 4, 60, "it is noticed", every=0.5)
    assert scene.query(_EVENTS, *last) == before
    wait_until(lambda: replayed(scene, table) == there(scene, table), 60, "the state equals the source's", every=0.5)
