"""The settled instant in the database."""

from __future__ import annotations

from collections.abc import Sequence

from msr_stream.store import queries
from msr_stream.store.database import Database

_sql = queries.load("settling")


class Settled:
    """What the settling of shards reads and writes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def markers(self) -> dict[str, int]:
        """Source to the instant of its newest marker."""
        async with self._database.recording() as connection:
            found = await connection.fetch(_sql["newest_markers"])
        return {row["source"]: row["marker_at"] for row in found}

    async def settle(self, shards: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
        """Raise shards (number, version, instant); returns those whose version was right, as they are now."""
        async with self._database.recording() as connection:
            found = await connection.fetch(_sql["settle"], *(list(column) for column in zip(*shards, strict=True)))
        return [(row["shard_id"], row["version"], row["settled_until"]) for row in found]

    async def instant(self) -> int | None:
        """S as answers see it, on the read replica if there is one; `None`: nothing is settled yet."""
        async with self._database.looking() as connection:
            settled: int | None = (await connection.fetchrow(_sql["settled"]))["settled_until"]
        return settled

    async def silence(self, seconds: float) -> list[tuple[str, str, int]]:
        """Shards (source, topic, partition) whose source has sent nothing for so long, found only now."""
        async with self._database.recording() as connection:
            found = await connection.fetch(_sql["silence"], seconds)
        return [(row["source"], row["topic"], row["partition"]) for row in found]

    async def topics_present(self, topics: Sequence[str]) -> list[str]:
        """Topics that are gone from the broker hold nobody up; returns those found gone only now."""
        async with self._database.recording() as connection:
            found = await connection.fetch(_sql["topics_gone"], list(topics))
        return sorted({row["topic"] for row in found})
