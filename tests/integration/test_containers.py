"""What docker/compose.yaml has run in containers, run here on the services of docker/local instead."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from msr_local.postgres import Postgres, find_binaries
from msr_local.rest import request
from msr_local.stack import Stack
from msr_local.waiting import wait_until

from tests.conftest import run_postgres

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
SERVICES: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Postgres]:
    """A server as its image leaves it before our scripts run: one database, a superuser, nobody else."""
    for postgres in run_postgres(tmp_path):
        with postgres.connect("postgres") as connection:
            for statement in ("DROP DATABASE source", "DROP DATABASE history", "CREATE DATABASE source"):
                connection.execute(statement.encode())
            connection.execute(b"CREATE DATABASE records")
            for (role,) in connection.execute("SELECT rolname FROM pg_roles WHERE oid >= 16384").fetchall():
                connection.execute(f"DROP ROLE {role}".encode())
        yield postgres


def _environment(server: Postgres, **more: str) -> dict[str, str]:
    path = f"{find_binaries()}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PGHOST": "127.0.0.1", "PGPORT": str(server.port), **more}


def test_the_history_belongs_to_a_user_who_is_no_superuser(server: Postgres) -> None:
    """Also with a password that means something to a shell and to SQL."""
    password = 'it\'s $HOME "quoted" \\'
    environment = _environment(
        server,
        POSTGRES_USER="postgres",
        POSTGRES_DB="records",
        DATABASE_USER="aoh_msr_user",
        DATABASE_PASSWORD=password,
    )
    subprocess.run(["sh", str(DOCKER / "msr-db" / "10-owner.sh")], env=environment, check=True, timeout=60)
    with psycopg.connect(server.dsn("records", "aoh_msr_user"), password=password) as connection:
        connection.execute("CREATE SCHEMA msr")
        row = connection.execute("SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user").fetchone()
        connection.execute("SET ROLE aoh_msr_reader")
    assert row == (False, False)


def test_the_simulator_is_healthy_while_it_writes(server: Postgres) -> None:
    """And not before, nor afterwards."""
    address = f"127.0.0.1:{server.port}"
    service = SERVICES["simulator"]
    environment = _environment(server, PYTHONPATH=str(DOCKER / "local"), **service["environment"])
    psql = [
        "psql",
        "-U",
        "postgres",
        "-d",
        "source",
        "-v",
        "ON_ERROR_STOP=1",
        "-f",
        str(DOCKER / "demo" / "source.sql"),
    ]
    subprocess.run(psql, env=environment, check=True, timeout=60)
    check = [word.replace("source-db:5432", address) for word in service["healthcheck"]["test"]]
    assert check[:2] == ["CMD", "python"]

    def healthy() -> bool:
        plain = {name: value for name, value in environment.items() if name != "PGAPPNAME"}
        return subprocess.run([sys.executable, *check[2:]], env=plain, check=False, timeout=60).returncode == 0

    assert not healthy()
    options = [word.replace("source-db:5432", address) for word in service["command"]]
    simulator = subprocess.Popen([sys.executable, "-m", "msr_local.simulator", *options], env=environment)
    try:
        wait_until(healthy, 60, "the simulator is healthy")
    finally:
        simulator.terminate()
        simulator.wait(30)
    assert not healthy()


def test_the_demo_has_its_source_captured(tmp_path: Path) -> None:
    """The one-shot prepares the source and registers the connector; run again it changes nothing."""
    service = SERVICES["capture"]
    stack = Stack(tmp_path, workers=0)
    try:
        stack.start_services()
        here = {
            "source-db:5432": f"127.0.0.1:{stack.ports.postgres}",
            "http://connect:8083": stack.connect.url,
            "redpanda:9092": stack.kafka.brokers,
            "/demo/register.py": str(DOCKER / "demo" / "register.py"),
            "/demo/postgres-source.json": str(DOCKER / "connect" / "postgres-source.json"),
            "python ": f"{sys.executable} ",
            "$$": "$",
        }

        def local(text: str) -> str:
            for there, place in here.items():
                text = text.replace(there, place)
            return text

        given = {name: local(value) for name, value in service["environment"].items()}
        given |= {"DATABASE_HOST": "127.0.0.1", "DATABASE_PORT": str(stack.ports.postgres)}
        shell = shutil.which("sh")
        assert shell
        command = [shell, *service["entrypoint"][1:], *map(local, service["command"])]
        for _ in range(2):
            subprocess.run(command, env={**os.environ, **given}, check=True, timeout=120)
        stack.wait_capturing()
        status, connectors = request("GET", f"{stack.connect.url}/connectors")
        assert (status, connectors) == (200, ["demo"])
    finally:
        stack.stop()


def test_a_connector_that_cannot_be_registered_is_said_in_a_line(tmp_path: Path) -> None:
    """So that the one-shot fails, and is tried again, where Connect is not there or a value is missing."""
    command = [sys.executable, str(DOCKER / "demo" / "register.py"), str(DOCKER / "connect" / "postgres-source.json")]
    plain = {"PATH": os.environ["PATH"]}
    values = {name: value for name, value in SERVICES["capture"]["environment"].items() if name != "SOURCE_DSN"}
    for environment, said in (
        ({**plain, **values}, "msr: Connect does not answer at http://127.0.0.1:9: "),
        ({**plain, "NAME": "demo"}, "msr: The connector template needs a value for DATABASE_HOST, "),
    ):
        answer = subprocess.run(
            [*command, "http://127.0.0.1:9"], env=environment, capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert answer.returncode == 1
        assert answer.stderr.startswith(said)
        assert answer.stderr.count("\n") == 1
