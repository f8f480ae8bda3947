"""Tables that come later, without a step by hand."""

from __future__ import annotations

import time

from msr_local.waiting import wait_until

from tests.acceptance.conftest import Scene


def test_tables_created_later_are_recorded_within_seconds(scene: Scene) -> None:
    """In a schema that is captured already and in a new one; while another table is written to all the time."""
    scene.only_worker()
    scene.write("CREATE SCHEMA known", "CREATE TABLE known.first (id integer PRIMARY KEY)")
    scene.write("INSERT INTO known.first VALUES (1)")
    wait_until(lambda: bool(scene.rows("known.first")), 60, "the schema is captured")
    with scene.workload.running(clients=1, pause=0.1):
        for table in ("known.later", "fresh.later"):
            if table == "fresh.later":
                scene.write("CREATE SCHEMA fresh")
            scene.write(f"CREATE TABLE {table} (id integer PRIMARY KEY, tenant_id text, text text)")
            scene.write(f"INSERT INTO {table} VALUES (1, 't1', 'first'), (2, 't2', 'other')")
            begun = time.monotonic()
            wait_until(lambda table=table: bool(scene.rows(table)), 60, f"{table} is recorded")  # type: ignore[misc]
            scene.tell(f"{table}: in the answer {time.monotonic() - begun:.1f} s after it was committed")
            scene.write(f"UPDATE {table} SET text = 'second'")
            wait_until(lambda table=table: scene.rows(table)["1"]["text"] == "second", 60, "the update")  # type: ignore[misc]
            assert scene.rows(table).keys() == {"1"}
            assert scene.rows(table, "bob").keys() == {"2"}


def test_a_table_without_a_key_harms_no_application(scene: Scene) -> None:
    """Its updates and deletes work; what nothing identifies is a dead letter that names the cure."""
    scene.only_worker()
    scene.write("CREATE SCHEMA keyless", "CREATE TABLE keyless.note (text text)")
    scene.write(
        "INSERT INTO keyless.note VALUES ('a')", "UPDATE keyless.note SET text = 'b'", "DELETE FROM keyless.note"
    )
    query = "SELECT reason FROM msr.dead_letter JOIN msr.shard USING (shard_id) WHERE topic = 'demo.keyless.note'"
    wait_until(lambda: len(scene.query(query)) == 3, 60, "three dead letters")
    assert all("message.key.columns" in reason for (reason,) in scene.query(query))


def test_rows_that_were_there_before_are_recorded(scene: Scene) -> None:
    """A snapshot on demand, as an operator asks for one: rows written while nothing was captured."""
    scene.only_worker()
    scene.write(
        "CREATE SCHEMA early",
        "CREATE UNLOGGED TABLE early.row (id integer PRIMARY KEY, tenant_id text)",
        "INSERT INTO early.row SELECT n, 't' || (1 + n % 2) FROM generate_series(1, 100) n",
        "ALTER TABLE early.row SET LOGGED",
        "INSERT INTO early.row VALUES (101, 't1')",
    )
    wait_until(lambda: "101" in scene.rows("early.row"), 60, "changes are recorded")
    scene.request_snapshot("early.row")
    wait_until(
        lambda: len(scene.rows("early.row")) == 51 and len(scene.rows("early.row", "bob")) == 50, 60, "all of them"
    )
