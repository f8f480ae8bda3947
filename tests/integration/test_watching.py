"""Sources looked at on a real PostgreSQL: one that is away harms no other."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest
from msr_local.postgres import Postgres
from pydantic import SecretStr

from msr_stream.settings import Settings
from msr_stream.store.coverage import Coverage
from msr_stream.watching import SourceWatch
from tests.integration.test_sources_admin import administration
from tests.world import World, world


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A source without markers is settled up to a twentieth of a second ago."""
    return settings.model_copy(update={"max_lateness": 0.05})


def watch(w: World, **dsns: str) -> SourceWatch:
    settings = w.settings.model_copy(update={"source_dsns": {name: SecretStr(dsn) for name, dsn in dsns.items()}})
    return SourceWatch(settings, administration(w), Coverage(w.database))


async def states(w: World) -> dict[str, str]:
    """What is kept of the sources' slots."""
    return {row["source"]: row["slot_state"] for row in await w.fetch("SELECT source, slot_state FROM source")}


async def test_a_source_that_is_away_stands_in_no_others_way(settings: Settings, postgres: Postgres) -> None:
    """Neither one that refuses nor one that never answers; whichever is looked at first."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        async with world(settings) as w:
            await watch(
                w,
                gone="postgresql://x@127.0.0.1:9/x",
                mute=f"postgresql://x@127.0.0.1:{port}/x",
                d=postgres.dsn("source"),
            ).look()
            assert await states(w) == {"d": "missing"}


async def test_what_could_not_be_kept_is_kept_at_the_next_look(settings: Settings, postgres: Postgres) -> None:
    """The history database may be away when a slot is first seen to be gone."""
    async with world(settings) as w:
        looking = watch(w, d=postgres.dsn("source"))
        await w.fetch("ALTER TABLE source RENAME TO elsewhere")
        await looking.look()
        await w.fetch("ALTER TABLE elsewhere RENAME TO source")
        await looking.look()
        assert await states(w) == {"d": "missing"}
