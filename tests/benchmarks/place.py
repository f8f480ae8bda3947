"""The database that is measured: one that a DSN names, else one that is started."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import psycopg
import structlog

#: The schema that is made anew, and dropped in the end.
SCHEMA = "msr_bench"


@dataclass(frozen=True)
class Place:
    """Where the history lies.

    Attributes:
        host: of the server.
        port: of the server.
        name: of the database.
        user: who may make a schema there.
        password: of the user; empty where everybody is trusted.
    """

    host: str
    port: int
    name: str
    user: str
    password: str = ""

    @classmethod
    def of(cls, dsn: str) -> Place:
        """The place that a DSN (`postgresql://user:password@host:port/name`) names."""
        parts = urlsplit(dsn)
        return cls(
            parts.hostname or "127.0.0.1",
            parts.port or 5432,
            parts.path[1:],
            unquote(parts.username or "postgres"),
            unquote(parts.password or ""),
        )

    @classmethod
    def local(cls, port: int) -> Place:
        """The database `history` of a server that the local stack started."""
        return cls("127.0.0.1", port, "history", "aoh_msr_user")

    @property
    def dsn(self) -> str:
        """How psycopg connects."""
        secret = f":{quote(self.password, safe='')}" if self.password else ""
        return f"postgresql://{quote(self.user, safe='')}{secret}@{self.host}:{self.port}/{self.name}"

    def settings(self) -> dict[str, Any]:
        """As the worker's settings say it."""
        return {
            "database_host": self.host, "database_port": self.port, "database_name": self.name,
            "database_user": self.user, "database_password": self.password, "database_schema": SCHEMA,
        }  # fmt: skip

    def environment(self) -> dict[str, str]:
        """The same as environment variables."""
        return {name.upper(): str(value) for name, value in self.settings().items()}

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection in autocommit mode that sees the benchmark's schema."""
        connection = psycopg.connect(self.dsn, autocommit=True, connect_timeout=5)
        connection.execute(f"SET search_path TO {SCHEMA}".encode())
        return connection

    def drop(self) -> None:
        """Take the benchmark's schema away, if it is there."""
        with self.connect() as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE".encode())

    def server(self) -> str:
        """What answers there, in words."""
        with self.connect() as connection:
            [version] = _row(connection, "SELECT current_setting('server_version')")
            [extension] = _row(connection, "SELECT max(extversion) FROM pg_extension WHERE extname = 'timescaledb'")
        return f"PostgreSQL {version}, " + (f"TimescaleDB {extension}" if extension else "plain (no TimescaleDB)")


def _row(connection: psycopg.Connection[tuple[Any, ...]], query: str) -> tuple[Any, ...]:
    found = connection.execute(query.encode()).fetchone()
    assert found is not None
    return found


def quieten() -> None:
    """Only warnings of our own code, and beside the table."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("warning"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def tell(text: str) -> None:
    """A line for who waits."""
    print(f"{datetime.now():%H:%M:%S} {text}", file=sys.stderr, flush=True)


def ticks(limit: float, every: float, what: str) -> Iterator[None]:
    """Turns to look whether something has come about, until it takes too long.

    Args:
        limit: seconds.
        every: seconds between two turns.
        what: is waited for.
    """
    end = time.monotonic() + limit
    while time.monotonic() < end:
        yield
        time.sleep(every)
    raise SystemExit(f"{what}: not within {limit:.0f} s")
