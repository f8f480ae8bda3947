"""The runtime configuration in the database: read where it is used, so that a change is in force at once."""

from __future__ import annotations

from typing import Any

import orjson

from msr_stream.configuration import Change, Configuration
from msr_stream.store import audit, queries
from msr_stream.store.database import Database

_sql = queries.load("configuration")


class Configurations:
    """Reads and changes the runtime configuration."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> Configuration:
        """All settings, defaults where nothing is stored."""
        async with self._database.serving() as connection:
            found = await connection.fetch(_sql["read"])
        return Configuration.model_validate({row["key"]: orjson.loads(row["value"]) for row in found})

    async def change(self, change: Change, actor: audit.Actor) -> dict[str, Any]:
        """Store what was sent, all or nothing, and note who did; returns it."""
        sent = change.sent()
        async with self._database.serving() as connection, connection.transaction():
            found = await connection.fetch(_sql["lock"], list(sent))
            before = {row["key"]: orjson.loads(row["value"]) for row in found}
            for key, value in sent.items():
                await connection.execute(_sql["write"], key, orjson.dumps(value).decode(), actor.caller.username)
            if sent:
                await audit.note(connection, actor, "settings.update", ",".join(sent), before=before, after=sent)
        return sent
