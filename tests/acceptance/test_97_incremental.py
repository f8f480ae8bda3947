"""Rows that nothing has captured the end of: an incremental snapshot, which stops no stream, ends them too."""

from __future__ import annotations

import json

import psycopg
from msr_local.waiting import wait_until

from tests.acceptance.conftest import Scene
from tests.acceptance.test_91_sources import post
from tests.acceptance.test_94_commands import there

NOTIFICATIONS = "msr.debezium_notifications"
_OUTCOME = "SELECT outcome FROM msr.snapshot_notice WHERE kind = 'COMPLETED' AND request_id = %s"


def vanish(scene: Scene, condition: str) -> None:
    """Delete rows without a record of it, as if nothing had captured."""
    with psycopg.connect(scene.stack.source_dsn, autocommit=True) as source:
        source.execute("ALTER PUBLICATION msr_publication SET (publish = 'insert, update, truncate')")
        source.execute(f"DELETE FROM piece.row WHERE {condition}".encode())
        source.execute("ALTER PUBLICATION msr_publication SET (publish = 'insert, update, delete, truncate')")


def test_an_incremental_snapshot_ends_what_is_gone_and_nothing_else(scene: Scene) -> None:
    """While the application goes on: rows come, change and go between its pieces."""
    scene.only_worker()
    scene.write("CREATE SCHEMA piece", "CREATE TABLE piece.row (id int PRIMARY KEY, n int)")
    scene.write("INSERT INTO piece.row SELECT n, 0 FROM generate_series(1, 5000) n")
    wait_until(lambda: len(scene.rows("piece.row")) == 5000, 60, "the table is recorded", every=0.5)
    vanish(scene, "id % 100 = 7")
    scene.write("INSERT INTO piece.row VALUES (6000, 0)")
    wait_until(lambda: "6000" in scene.rows("piece.row"), 60, "the stream goes on")
    assert len(scene.rows("piece.row")) == 5001, "nothing was told of what has gone"

    status, _ = post(scene, "/admin/sources/demo/snapshot", {"tables": ["piece.row"], "type": "incremental"})
    assert status in (200, 202)
    for number in range(40):
        scene.write(
            f"UPDATE piece.row SET n = n + 1 WHERE id BETWEEN {number * 100} AND {number * 100 + 150}",
            f"INSERT INTO piece.row VALUES ({7000 + number}, 0)",
            f"DELETE FROM piece.row WHERE id = {number * 120 + 3}",
        )
    wait_until(lambda: scene.rows("piece.row") == there(scene, "piece.row"), 120, "what is gone has ended", every=1)
    told = [json.loads(record.value or b"{}") for record in scene.broker.read(NOTIFICATIONS)]
    *_, completed = [
        one for one in told if (one["aggregate_type"], one["type"]) == ("Incremental Snapshot", "COMPLETED")
    ]
    assert scene.query(_OUTCOME, completed["id"]) == [("1 of 1 tables whole",)]
    changes = [json.loads(record.value) for record in scene.broker.read("demo.piece.row") if record.value]
    read = [change["ts_ms"] for change in changes if change["source"]["snapshot"] == "incremental"]
    scene.tell(f"{len(read)} rows were read, {completed['timestamp'] - max(read)} ms before it was told that they were")
    assert read
    assert max(read) <= completed["timestamp"], "its end is told only once all rows are sent"
