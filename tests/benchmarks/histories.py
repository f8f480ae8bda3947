"""A history made up in the database that is measured, and the worker that answers from it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from msr_local.ports import Ports
from msr_local.postgres import Postgres
from msr_local.tokens import Tokens

from msr_stream.settings import Settings
from msr_stream.store.database import Database
from msr_stream.store.keyframes import Pace
from msr_stream.store.migrations import migrate
from tests.benchmarks import asking
from tests.benchmarks.filling import Filled, Maker, Random, Size, fill
from tests.benchmarks.place import Place, tell


@dataclass(frozen=True)
class Where:
    """A database to make histories in, and who may ask for them."""

    place: Place
    tokens: Tokens

    def settings(self) -> Settings:
        """A worker's, with patience enough to count 50 users at once to the last."""
        return Settings(
            **self.place.settings(), kafka_brokers=["127.0.0.1:9"], iams_keycloak_url=self.tokens.issuer,
            iams_jwks_file=self.tokens.jwks_file, replay_patience=300.0,
        )  # fmt: skip


@dataclass(frozen=True)
class Made:
    """One history.

    Attributes:
        size: how long it is.
        filled: its shards, and between which instants it happened.
        database: where it lies.
    """

    size: Size
    filled: Filled
    database: Database
    _where: Where
    _settings: Settings

    def worker(self) -> AbstractAsyncContextManager[asking.Worker]:
        """Somebody to ask."""
        given = self._settings.model_dump(mode="json", exclude_unset=True)
        given["database_password"] = self._settings.database_password.get_secret_value()
        given["kafka_brokers"] = ",".join(given["kafka_brokers"])
        return asking.worker(self._where.tokens, {name.upper(): str(value) for name, value in given.items()})


@asynccontextmanager
async def made(where: Where, size: Size, maker: Maker = Random) -> AsyncIterator[Made]:
    """A history in a schema that is made anew, and taken away in the end; keyframes are built as they fall due."""
    tell(f"making {size.events:,} events of {size.entities:,} entities")
    settings = where.settings()
    where.place.drop()
    await migrate(settings)
    database = Database(settings)
    await database.open()
    try:
        async with database.recording() as connection:
            await connection.execute("UPDATE configuration SET value = '400' WHERE key = 'max_playback_range'")
        pace = Pace(settings.keyframe_factor, settings.keyframe_floor)
        yield Made(size, await fill(database, size, pace, maker), database, where, settings)
    finally:
        await database.close()
        where.place.drop()


@contextmanager
def database(place: Place | None) -> Iterator[Where]:
    """The database of a place, or a server of our own with 512 MB of shared buffers."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # as root, the server runs as somebody else
        tokens = Tokens(folder)
        tokens.ensure()
        if place is not None:
            yield Where(place, tokens)
            return
        server = Postgres(folder, Ports.unused().postgres)
        server.start()
        try:
            server.wait_ready()
            with server.connect("postgres") as connection:
                connection.execute("ALTER SYSTEM SET shared_buffers TO '512MB'")
                connection.execute("GRANT pg_checkpoint TO aoh_msr_user")
            server.restart()
            yield Where(Place.local(server.port), tokens)
        finally:
            server.stop()
