"""A replication slot that is lost: noticed, said, and mended by a new snapshot once it is dropped."""

from __future__ import annotations

import psycopg
from msr_local.waiting import wait_until

from tests.acceptance.conftest import Scene

_LOOKED = "SELECT slot_checked_at FROM msr.source WHERE source = 'demo' AND slot_counts <> '{}'"
_ENDED = """SELECT FROM msr.coverage JOIN msr.shard USING (shard_id)
            WHERE topic = 'demo.slot.quick' AND reason ~ 'msr_slot was made anew'"""
_WAITING = """SELECT FROM msr.coverage JOIN msr.shard USING (shard_id)
              WHERE topic = 'demo.slot.quick' AND covered_from = 'infinity'"""


def slot_state(scene: Scene) -> str:
    """What the history database says of it."""
    [(state,)] = scene.query("SELECT slot_state FROM msr.source WHERE source = 'demo'")
    return str(state)


def test_a_lost_slot_is_said_and_mended(scene: Scene) -> None:
    scene.only_worker()
    scene.write("CREATE SCHEMA slot", "CREATE TABLE slot.row (id integer PRIMARY KEY, n integer)")
    scene.write("INSERT INTO slot.row SELECT n, 0 FROM generate_series(1, 20) n")
    wait_until(lambda: len(scene.rows("slot.row")) == 20, 60, "the table is recorded")
    scene.stack.connect.stop()
    with psycopg.connect(scene.stack.source_dsn, autocommit=True) as source:
        try:
            source.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
            source.execute("SELECT pg_reload_conf()")
            source.execute("UPDATE slot.row SET n = 1")
            for _ in range(5):
                source.execute("SELECT pg_logical_emit_message(false, 'fill', repeat('x', 1000)), pg_switch_wal()")
            source.execute("CHECKPOINT")
            wait_until(lambda: slot_state(scene) == "lost", 60, "the loss is noticed", every=0.5)
            assert "replication slot lost" in scene.log()
            assert "pg_drop_replication_slot" in scene.log()
        finally:
            source.execute("ALTER SYSTEM RESET max_slot_wal_keep_size")
            source.execute("SELECT pg_reload_conf()")
        source.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = 'msr_slot'"
        )
    scene.stack.connect.start()
    scene.stack.connect.wait_ready()
    scene.stack.wait_capturing()
    wait_until(lambda: all(row["n"] == 1 for row in scene.rows("slot.row").values()), 60, "a new snapshot", every=0.5)
    scene.write("UPDATE slot.row SET n = 2")
    wait_until(lambda: all(row["n"] == 2 for row in scene.rows("slot.row").values()), 60, "it is captured", every=0.5)


def test_a_slot_made_anew_at_once_is_noticed_and_mended(scene: Scene) -> None:
    """By somebody who is quicker than two looks at it: the slot seems to go on, and rows were changed in between."""
    scene.only_worker()
    scene.write("CREATE TABLE slot.quick (id integer PRIMARY KEY, n integer)")
    scene.write("INSERT INTO slot.quick SELECT n, 0 FROM generate_series(1, 20) n")
    wait_until(lambda: len(scene.rows("slot.quick")) == 20, 60, "the table is recorded")
    looked = scene.query(_LOOKED)
    wait_until(lambda: scene.query(_LOOKED) > looked, 60, "the slot is looked at", every=0.5)
    scene.stack.connect.stop()
    with psycopg.connect(scene.stack.source_dsn, autocommit=True) as source:
        source.execute("SELECT pg_drop_replication_slot('msr_slot')")
        source.execute("DELETE FROM slot.quick WHERE id > 15")
        source.execute("UPDATE slot.quick SET n = 1 WHERE id <= 5")
        source.execute("SELECT pg_create_logical_replication_slot('msr_slot', 'pgoutput')")
    wait_until(lambda: bool(scene.query(_ENDED)), 60, "it is noticed", every=0.5)
    assert slot_state(scene) == "reserved"
    scene.stack.connect.start()
    scene.stack.connect.wait_ready()
    scene.stack.wait_capturing()
    there = {str(n): {"id": n, "n": int(n <= 5)} for n in range(1, 16)}
    wait_until(lambda: scene.rows("slot.quick") == there, 120, "the state is the source's", every=0.5)
    wait_until(lambda: not scene.query(_WAITING), 120, "coverage begins anew", every=0.5)
    answer = scene.api().state()
    assert "slot.quick" not in answer.headers.get("x-incomplete", "")
