"""The simulator against a real PostgreSQL."""

import itertools
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from msr_local.ports import Ports
from msr_local.postgres import Postgres
from msr_local.simulator import writer
from msr_local.simulator.__main__ import Teller
from msr_local.simulator.changes import Batch, Change, Delete, Insert, Purge, Update
from msr_local.simulator.story import TICK, Story
from msr_local.waiting import wait_until

_numbers = itertools.count(1)
START = datetime(2026, 5, 1, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def dsn(postgres: Postgres) -> Iterator[str]:
    """An empty source database, as the application that owns it."""
    name = f"simulator_{next(_numbers)}"
    with postgres.connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER app".encode())
    yield postgres.dsn(name, "app")
    with postgres.connect("postgres") as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def command(dsn: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "msr_local.simulator", "--dsn", dsn, *options]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "docker" / "local")}


def simulate(dsn: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(dsn, *options), capture_output=True, text=True, check=False, timeout=120, env=environment()
    )


def keys(connection: writer.Connection) -> set[tuple[str, str]]:
    """The primary keys of all rows of the story."""
    query = """
        SELECT 'air.flight', flight_id FROM air.flight UNION ALL SELECT 'sea.vessel', mmsi::text FROM sea.vessel
        UNION ALL SELECT 'ops.unit', unit_code FROM ops.unit
        UNION ALL SELECT 'ops.incident', incident_id::text FROM ops.incident
        UNION ALL SELECT 'ops.assignment', incident_id || ',' || unit_code FROM ops.assignment
        UNION ALL SELECT 'ops.weather', station FROM ops.weather
        UNION ALL SELECT 'air.airspace', code FROM air.airspace
        UNION ALL SELECT 'air.plot', plot_id::text FROM air.plot"""
    return {(row[0], row[1]) for row in connection.execute(query)}


def play(world: set[tuple[str, str]], changes: list[Change]) -> None:
    """The same on a set of keys."""
    for change in changes:
        if isinstance(change, Batch):
            world |= {(change.table, str(row[0])) for row in change.rows}
        elif isinstance(change, Purge):
            world -= {(change.table, str(number)) for number in range(change.first, change.last)}
        else:
            name = (change.table, ",".join(map(str, change.key.values())))
            if isinstance(change, Insert):
                world.add(name)
            elif isinstance(change, Delete):
                world.remove(name)
            elif isinstance(change, Update) and "unit_code" in change.values:
                world.remove(name)
                world.add((change.table, change.values["unit_code"]))


def test_setting_up_twice_changes_nothing(dsn: str) -> None:
    assert simulate(dsn, "--setup").returncode == 0
    with psycopg.connect(dsn, autocommit=True) as connection:
        before = connection.execute("SELECT xmin::text, mmsi FROM sea.vessel ORDER BY mmsi").fetchall()
        assert len(before) == 220
        done = simulate(dsn, "--setup")
        assert (done.returncode, done.stderr) == (0, "")
        assert connection.execute("SELECT xmin::text, mmsi FROM sea.vessel ORDER BY mmsi").fetchall() == before


def test_the_database_says_what_the_story_says(dsn: str) -> None:
    """Also when every tick is written twice, as after a commit whose answer was lost; then told from the start."""
    for twice in (False, True):
        story = Story(5, START, 600)
        initial = story.initial()
        world: set[tuple[str, str]] = set()
        play(world, [*initial])
        with psycopg.connect(dsn, autocommit=True) as connection:
            writer.set_up(connection, initial)
            writer.rewind(connection, initial)
            for _ in range(int(90 / TICK)):
                changes = story.tick()
                writer.write(connection, changes)
                if twice:
                    writer.write(connection, changes)
                play(world, changes)
            assert keys(connection) == world
            toasted = "SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE oid = 'ops.incident'::regclass"
            size = connection.execute(toasted).fetchone()
            assert size is not None
            assert size[0] > 100_000, "reports lie out of line"
            digits = "SELECT max(length(replace(cargo_value::text, '.', ''))) FROM sea.vessel"
            assert connection.execute(digits).fetchone() == (20,)


def test_at_its_highest_rate_it_writes_thousands_of_rows(dsn: str) -> None:
    """In seconds of its story, which begins slowly; how many of ours they take is the machine's, and told."""
    done = simulate(dsn, "--rate", "2000", "--duration", "6")
    assert done.returncode == 0, done.stderr
    written = re.search(r"([\d,]+) rows in [\d.]+ s: [\d,]+ rows/s", done.stdout)
    assert written is not None, done.stdout
    print(written[0])
    assert int(written[1].replace(",", "")) > 6000


def test_it_ends_at_once_when_asked(dsn: str) -> None:
    process = subprocess.Popen(command(dsn), env=environment(), stdout=subprocess.PIPE, text=True)
    with psycopg.connect(dsn, autocommit=True) as connection:

        def runs() -> bool:
            there = connection.execute("SELECT to_regclass('ops.weather') IS NOT NULL").fetchone()
            if there != (True,):
                return False
            incidents = connection.execute("SELECT count(*) FROM ops.incident").fetchone()
            return incidents is not None and incidents[0] > 0

        wait_until(runs, 60, "the first incident")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "rows/s" in output


def test_a_database_that_is_not_there_is_one_line(postgres: Postgres) -> None:
    done = simulate(postgres.dsn("missing"), "--setup")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_it_survives_a_restart_of_the_database(tmp_path: Path) -> None:
    server = Postgres(tmp_path, Ports.unused().postgres)
    server.start()
    try:
        server.wait_ready()
        halt = threading.Event()
        teller = Teller(server.dsn("source", "app"), Story(1, datetime.now(UTC), 200), halt)
        teller.prepare(rewind=True)
        thread = threading.Thread(target=teller.tell, args=(None,))
        thread.start()
        try:
            wait_until(lambda: teller.rows > 100, 60, "rows are written")
            server.restart()
            after = teller.rows
            wait_until(lambda: teller.rows > after + 100, 60, "rows are written again")
        finally:
            halt.set()
            thread.join(20)
        assert not thread.is_alive()
    finally:
        server.stop()
