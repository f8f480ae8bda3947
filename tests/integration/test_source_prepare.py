"""A prepared source captures every table, now and later, and no application notices."""

import asyncio
import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import pytest
from click.testing import CliRunner, Result
from msr_local.ports import Ports
from msr_local.postgres import Postgres
from msr_local.waiting import wait_until

from msr_stream.source.cli import source
from msr_stream.source.slots import slot_state

_numbers = itertools.count(1)

# Everything that stood in somebody's way once.
ODDITIES = """
CREATE SCHEMA parts; CREATE SCHEMA "Odd""s";
CREATE TABLE keyed (a int PRIMARY KEY, b int);
CREATE TABLE keyless (a int, b int);
CREATE TABLE deferrable_key (a int PRIMARY KEY DEFERRABLE, b int);
CREATE TABLE identity_nothing (a int PRIMARY KEY, b int); ALTER TABLE identity_nothing REPLICA IDENTITY NOTHING;
CREATE TABLE lost_index (a int NOT NULL, b int); CREATE UNIQUE INDEX lost ON lost_index (a);
ALTER TABLE lost_index REPLICA IDENTITY USING INDEX lost; DROP INDEX lost;
CREATE TABLE good_index (a int NOT NULL, b int); CREATE UNIQUE INDEX good ON good_index (a);
ALTER TABLE good_index REPLICA IDENTITY USING INDEX good;
CREATE TABLE "Odd""s"."We ird" (a int, b int);
CREATE TABLE json_column (a json, b int);
CREATE TABLE stored (b int, g int GENERATED ALWAYS AS (b + 1) STORED);
CREATE TABLE parted (a int, b int) PARTITION BY RANGE (a);
CREATE TABLE parts.parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE TABLE parent (a int PRIMARY KEY, b int); CREATE TABLE child () INHERITS (parent);
CREATE UNLOGGED TABLE unlogged (a int, b int);
CREATE SCHEMA msr; CREATE TABLE msr.cdc_event (a int); CREATE TABLE msr.keyframe_head (a int);
"""
VIRTUAL = """
CREATE SCHEMA virt;
CREATE TABLE virt.keyless (b int, g int GENERATED ALWAYS AS (b + 1) VIRTUAL);
CREATE TABLE virt.whole (a int PRIMARY KEY, b int, g int GENERATED ALWAYS AS (b + 1) VIRTUAL);
ALTER TABLE virt.whole REPLICA IDENTITY FULL;
CREATE TABLE virt.indexed (a int NOT NULL UNIQUE, b int, g int GENERATED ALWAYS AS (b + 1) VIRTUAL);
CREATE TABLE virt.other (a int, b int);
"""


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """A source database of its own, owned by `app`."""
    name = f"prepare_{next(_numbers)}"
    with postgres.connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER app".encode())
    yield name
    with postgres.connect("postgres") as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def run(postgres: Postgres, database: str, *options: str, user: str = "postgres") -> Result:
    command, *more = options
    return CliRunner().invoke(source, [command, "--dsn", postgres.dsn(database, user), *more])


def prepare(postgres: Postgres, database: str, *options: str) -> Result:
    done = run(postgres, database, "prepare", "--capture-role", "debezium", *options)
    assert done.exit_code == 0, done.output
    return done


def published(connection: psycopg.Connection[Any]) -> set[str]:
    query = "SELECT schemaname || '.' || tablename FROM pg_publication_tables WHERE pubname = 'msr_publication'"
    return {row[0] for row in connection.execute(query)}


def traces(connection: psycopg.Connection[Any]) -> list[Any]:
    """What a preparation leaves in a database."""
    query = """
        SELECT pubname::text FROM pg_publication UNION ALL SELECT evtname FROM pg_event_trigger
        UNION ALL SELECT nspname FROM pg_namespace WHERE nspname = 'msr_capture'
        UNION ALL SELECT oid::regclass::text FROM pg_class WHERE relreplident = 'f'
        UNION ALL SELECT oid::regclass::text FROM pg_class WHERE relacl::text LIKE '%debezium%'"""
    return connection.execute(query).fetchall()


def change_every_table(connection: psycopg.Connection[Any]) -> int:
    """Insert, update and delete a row everywhere; a table without identity would refuse. How many tables."""
    query = """
        SELECT format('%I.%I', nspname, relname), EXISTS (
            SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'a' AND atttypid = 'int'::regtype)
        FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE relkind IN ('r', 'p') AND nspname !~ '^(pg_|msr)' AND nspname <> 'information_schema'
          AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'b')"""
    tables = connection.execute(query).fetchall()
    for table, has_a in tables:
        row = "(a, b) VALUES (1, 1)" if has_a else "(b) VALUES (1)"
        connection.execute(f"INSERT INTO {table} {row}".encode())
        connection.execute(f"UPDATE {table} SET b = 2".encode())
        connection.execute(f"DELETE FROM {table}".encode())
    return len(tables)


def test_every_table_is_published_and_can_still_be_changed(postgres: Postgres, database: str) -> None:
    with postgres.connect(database) as connection:
        connection.execute(ODDITIES.encode())
        prepare(postgres, database)
        assert published(connection) == {
            *(f"public.{name}" for name in ("keyed", "keyless", "deferrable_key", "identity_nothing", "lost_index")),
            *(f"public.{name}" for name in ("good_index", "json_column", "stored", "parted", "parent", "child")),
            'Odd"s.We ird',
        }, "a partition is published as its table; unlogged tables and our own history are not"
        assert change_every_table(connection) > 12
        identities = dict(connection.execute("SELECT relname, relreplident::text FROM pg_class").fetchall())
        assert identities["keyed"] == identities["identity_nothing"] == "d", "no FULL where there is a key"
        assert identities["good_index"] == "i"
        assert identities["keyless"] == identities["parted_1"] == identities["lost_index"] == "f"
        granted = "SELECT has_table_privilege('debezium', %s, 'SELECT')"
        assert connection.execute(granted, ("keyless",)).fetchone() == (True,)
        assert connection.execute(granted, ("parts.parted_1",)).fetchone() == (False,), "a snapshot would send it"


def test_a_second_run_has_nothing_to_do(postgres: Postgres, database: str) -> None:
    with postgres.connect(database) as connection:
        connection.execute(ODDITIES.encode())
    assert "ADD TABLES IN SCHEMA" in prepare(postgres, database).output
    assert "Nothing to do" in prepare(postgres, database, "--dry-run").output
    again = prepare(postgres, database).output
    assert "Nothing to do" in again
    assert "message.key.columns" in again, "tables without any key are named each time"


def test_a_dry_run_changes_nothing_and_shows_exactly_what_a_run_does(postgres: Postgres, database: str) -> None:
    with postgres.connect(database) as connection:
        connection.execute(ODDITIES.encode())
        before = traces(connection)
        shown = prepare(postgres, database, "--dry-run").stdout
        assert traces(connection) == before
        connection.execute(shown.encode())
        assert traces(connection) != before
    assert "Nothing to do" in prepare(postgres, database).output


def test_tables_created_or_altered_later_are_covered(postgres: Postgres, database: str) -> None:
    with postgres.connect(database) as connection:
        connection.execute("CREATE SCHEMA here AUTHORIZATION app")
    prepare(postgres, database)
    statements = """
        CREATE TABLE here.keyless (a int, b int);
        CREATE TABLE here.copied AS SELECT 1 AS a, 1 AS b;
        SELECT 1 AS a, 1 AS b INTO here.selected;
        CREATE SCHEMA fresh CREATE TABLE keyed (a int PRIMARY KEY, b int) CREATE TABLE keyless (a int, b int);
        CREATE TABLE here.dropped_key (a int PRIMARY KEY, b int);
        ALTER TABLE here.dropped_key DROP CONSTRAINT dropped_key_pkey;
        CREATE TABLE here.dropped_column (c int PRIMARY KEY, a int, b int);
        ALTER TABLE here.dropped_column DROP COLUMN c;
        CREATE TABLE here.dropped_index (a int NOT NULL, b int); CREATE UNIQUE INDEX ix ON here.dropped_index (a);
        ALTER TABLE here.dropped_index REPLICA IDENTITY USING INDEX ix; DROP INDEX here.ix;
        CREATE TABLE here.concurrent (a int NOT NULL, b int); CREATE UNIQUE INDEX cx ON here.concurrent (a);
        ALTER TABLE here.concurrent REPLICA IDENTITY USING INDEX cx; DROP INDEX CONCURRENTLY here.cx;
        CREATE DOMAIN here.number AS int; CREATE TABLE here.domain_key (c here.number PRIMARY KEY, a int, b int);
        DROP DOMAIN here.number CASCADE;
        CREATE TABLE here.nothing (a int, b int); ALTER TABLE here.nothing REPLICA IDENTITY NOTHING;
        CREATE UNLOGGED TABLE here.logged (a int, b int); ALTER TABLE here.logged SET LOGGED;
        CREATE TABLE here.moved (a int, b int); ALTER TABLE here.moved SET SCHEMA fresh;
        CREATE TABLE here.parted (a int, b int) PARTITION BY RANGE (a);
        CREATE TABLE here.part PARTITION OF here.parted FOR VALUES FROM (0) TO (9);
        CREATE TABLE here.attached (a int, b int); ALTER TABLE here.parted ATTACH PARTITION here.attached DEFAULT;
        CREATE TEMPORARY TABLE own (a int, b int)"""
    with postgres.connect(database, "app") as connection:
        connection.execute("SET client_min_messages = warning")
        warnings: list[str | None] = []
        connection.add_notice_handler(lambda notice: warnings.append(notice.message_primary))
        for statement in statements.split(";"):
            connection.execute(statement.encode())
        assert warnings == []
        connection.execute("DELETE FROM here.copied; DELETE FROM here.selected")
        connection.execute("DROP TABLE here.attached")  # it would take the rows of the other partition's test
        change_every_table(connection)
        names = published(connection)
        assert {"here.keyless", "here.copied", "here.selected", "fresh.keyed", "fresh.moved", "here.parted"} <= names
        assert "here.part" not in names
    with postgres.connect(database, "debezium") as connection:
        assert connection.execute("SELECT count(*) FROM fresh.keyless").fetchone() == (0,), "granted by the trigger"
    assert "Nothing to do" in prepare(postgres, database).output


def test_a_table_and_its_rows_in_one_transaction(postgres: Postgres, database: str) -> None:
    prepare(postgres, database)
    with postgres.connect(database, "app") as connection, connection.transaction():
        connection.execute("CREATE SCHEMA s; CREATE TABLE s.t (a int); INSERT INTO s.t VALUES (1)")
        connection.execute("UPDATE s.t SET a = 2; SAVEPOINT x; DROP TABLE s.t; ROLLBACK TO x; DELETE FROM s.t")


def test_a_table_that_nobody_can_publish_is_left_out_alone(postgres: Postgres, database: str) -> None:
    """Virtual generated columns and no key: PostgreSQL 18 refuses its UPDATEs under any identity."""
    with postgres.connect(database) as connection:
        connection.execute(VIRTUAL.encode())
        done = prepare(postgres, database)
        assert "virt.keyless cannot be published" in done.output
        assert published(connection) == {"virt.whole", "virt.indexed", "virt.other"}
        assert change_every_table(connection) == 4
        connection.execute("CREATE TABLE virt.later (a int, b int)")
        assert "virt.later" in published(connection)
        connection.execute("ALTER TABLE virt.keyless ADD COLUMN a int PRIMARY KEY")
        assert published(connection) == {"virt.whole", "virt.indexed", "virt.other", "virt.later", "virt.keyless"}
        connection.execute("CREATE TABLE virt.again (b int, g int GENERATED ALWAYS AS (b + 1) VIRTUAL)")
        assert change_every_table(connection) == 6
    assert run(postgres, database, "check").exit_code == 1


def test_a_table_that_is_being_created_meanwhile_is_waited_for(postgres: Postgres, database: str) -> None:
    with postgres.connect(database) as connection, postgres.connect(database) as watcher:
        results: list[Result] = []
        with connection.transaction():
            connection.execute("CREATE TABLE unborn (a int); INSERT INTO unborn VALUES (1)")
            other = threading.Thread(target=lambda: results.append(prepare(postgres, database)))
            other.start()
            waiting = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = %s)"
            wait_until(lambda: watcher.execute(waiting, (database,)).fetchone() == (True,), 60, "prepare waits")
            connection.execute("UPDATE unborn SET a = 2")
            assert published(watcher) == set()
        other.join()
        connection.execute("UPDATE unborn SET a = 3")
        assert "public.unborn" in published(connection)
        assert "ALTER TABLE public.unborn REPLICA IDENTITY FULL" in results[0].output


def test_a_transaction_that_does_not_end_is_named(postgres: Postgres, database: str) -> None:
    with postgres.connect(database) as connection, connection.transaction():
        connection.execute("CREATE TABLE unborn (a int)")
        done = run(postgres, database, "prepare")
        assert done.exit_code == 1
        assert str(connection.info.backend_pid) in done.output.splitlines()[-1]
        with postgres.connect(database) as other:
            assert published(other) == set()


def test_the_triggers_never_make_a_command_fail(postgres: Postgres, database: str) -> None:
    """What they cannot do at once becomes a warning, and is made good at the next occasion."""
    prepare(postgres, database)
    with postgres.connect(database) as dba, postgres.connect(database, "app") as connection:
        warnings: list[str | None] = []
        connection.add_notice_handler(lambda notice: warnings.append(notice.message_primary))
        with dba.transaction():
            dba.execute("CREATE SCHEMA early")  # holds the publication until the transaction ends
            connection.execute("CREATE SCHEMA late; CREATE TABLE late.t (a int, b int)")
        assert any("lock timeout" in (warning or "") for warning in warnings)
        assert run(postgres, database, "check").exit_code == 1
        connection.execute("CREATE TABLE late.u (a int, b int)")
        assert {"late.t", "late.u"} <= published(connection)
        dba.execute("DROP PUBLICATION msr_publication")
        connection.execute("CREATE SCHEMA later CREATE TABLE t (a int, b int)")
        dba.execute("DROP TABLE msr_capture.capture")
        connection.execute("CREATE TABLE later.u (a int, b int)")
        assert "does not exist" in (warnings[-1] or "")


def test_only_the_schemas_asked_for(postgres: Postgres, database: str) -> None:
    with postgres.connect(database) as connection:
        connection.execute("CREATE SCHEMA a CREATE TABLE t (a int); CREATE SCHEMA b CREATE TABLE t (a int)")
        prepare(postgres, database, "--schema", "a")
        connection.execute("CREATE SCHEMA c CREATE TABLE t (a int); CREATE TABLE a.u (a int)")
        assert published(connection) == {"a.t", "a.u"}
        prepare(postgres, database, "--schema", "b")
        assert published(connection) == {"b.t"}
    assert "no schema x" in run(postgres, database, "prepare", "--schema", "x").output


@pytest.mark.parametrize(
    ("first", "options", "says"),
    [
        ("CREATE PUBLICATION msr_publication FOR ALL TABLES", (), "FOR ALL TABLES"),
        ("CREATE PUBLICATION msr_publication", (), "not made by MSR"),
        ("SELECT 1", ("--capture-role", "nobody_here"), "CREATE ROLE"),
        ("SELECT 1", ("--capture-role", "app"), "ALTER ROLE"),
    ],
)
def test_it_refuses_rather_than_harms(
    postgres: Postgres, database: str, first: str, options: tuple[str, ...], says: str
) -> None:
    with postgres.connect(database) as connection:
        connection.execute(first.encode())
        before = traces(connection)
        done = run(postgres, database, "prepare", *options)
        assert done.exit_code == 1
        assert says in done.output
        assert len(done.output.splitlines()) == 1
        assert traces(connection) == before


def test_who_is_no_superuser_gets_the_sql_for_one(postgres: Postgres, database: str) -> None:
    done = run(postgres, database, "prepare", user="app")
    assert done.exit_code == 1
    assert "not a superuser" in done.stderr
    with postgres.connect(database) as connection:
        assert traces(connection) == []
        connection.execute(done.stdout.encode())
    assert run(postgres, database, "prepare", "--dry-run", user="app").exit_code == 0


def test_a_database_that_is_not_there_is_one_line(postgres: Postgres) -> None:
    done = run(postgres, "missing", "check")
    assert done.exit_code == 1
    assert len(done.output.splitlines()) == 1
    assert "cannot be reached" in done.output


def test_check_says_what_is_wrong(postgres: Postgres, database: str) -> None:
    done = run(postgres, database, "check")
    assert done.exit_code == 1
    assert "WRONG  publication" in done.output
    prepare(postgres, database)
    assert run(postgres, database, "check").exit_code == 0
    assert run(postgres, database, "check", "--slot", "missing").exit_code == 1
    with postgres.connect(database) as connection:
        connection.execute("ALTER EVENT TRIGGER msr_capture_drop DISABLE")
    assert "WRONG  event triggers" in run(postgres, database, "check").output


async def test_a_lost_slot_is_noticed(tmp_path: Path) -> None:
    server = Postgres(tmp_path, Ports.unused().postgres)
    server.start()
    try:
        server.wait_ready()
        with server.connect("source") as connection:
            for setting in ("max_slot_wal_keep_size = '1MB'", "max_wal_size = '32MB'", "min_wal_size = '32MB'"):
                connection.execute(f"ALTER SYSTEM SET {setting}".encode())
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("SELECT pg_create_logical_replication_slot('s', 'pgoutput')")
            watcher = await asyncpg.connect(server.dsn("source"))
            try:
                state = await slot_state(watcher, "s")
                assert (state.wal_status, state.active, state.lost) == ("reserved", False, False)
                assert (await slot_state(watcher, "none")).wal_status == "missing"
                for _ in range(4):  # segments of 16 MB, each left behind
                    connection.execute("SELECT pg_logical_emit_message(false, 'fill', 'x'), pg_switch_wal()")
                connection.execute("CHECKPOINT")
                state = await slot_state(watcher, "s")
                assert state.lost
                assert "pg_drop_replication_slot('s')" in (state.advice or "")
            finally:
                await watcher.close()
        done = await asyncio.to_thread(run, server, "source", "check", "--slot", "s")
        assert "WRONG  slot s: lost" in done.output
    finally:
        server.stop()
