"""Sources looked at on a real PostgreSQL: one that is away harms no other, a slot made anew is seen."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from msr_local.postgres import Postgres
from pydantic import SecretStr

from msr_stream.instants import now
from msr_stream.settings import Settings
from msr_stream.source.slots import look_at_slots
from msr_stream.source.survey import connected
from msr_stream.store.coverage import Coverage
from msr_stream.watching import SourceWatch
from tests.integration.test_commands import A, put
from tests.integration.test_coverage import completed, covers, incomplete, not_asked, read, tell
from tests.integration.test_sources_admin import administration, settle
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


@pytest.fixture
def source(postgres: Postgres) -> Iterator[psycopg.Connection[Any]]:
    """The source database, with a table that is captured through the slot `s`."""
    with psycopg.connect(postgres.dsn("source"), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA s")
        connection.execute("CREATE TABLE s.t (id integer)")
        connection.execute("CREATE PUBLICATION watched FOR TABLE s.t")
        make_slot(connection)
        yield connection
        connection.execute("SELECT pg_drop_replication_slot('s')")
        connection.execute("DROP PUBLICATION watched")
        connection.execute("DROP SCHEMA s CASCADE")


def make_slot(source: psycopg.Connection[Any]) -> None:
    source.execute("SELECT pg_create_logical_replication_slot('s', 'pgoutput')")


def capture(source: psycopg.Connection[Any], changes: int) -> None:
    """So many transactions, read through the slot as the connector does."""
    for number in range(changes):
        source.execute("INSERT INTO s.t VALUES (%s)", [number])
    options = "'proto_version', '1', 'publication_names', 'watched'"
    source.execute(f"SELECT pg_logical_slot_get_binary_changes('s', NULL, NULL, {options})".encode())


async def test_a_slot_made_anew_between_two_looks_ends_coverage(
    settings: Settings, postgres: Postgres, source: psycopg.Connection[Any]
) -> None:
    """Whoever looks; what it has missed is asked for, and only a snapshot read after the look that saw it counts."""
    async with world(settings) as w:
        await w.own()
        put(w, A, 1, 2)
        await tell(w)
        await w.flushed()
        capture(source, 5)
        await watch(w, d=postgres.dsn("source")).look()
        before = await settle(w)
        capture(source, 1)
        await watch(w, d=postgres.dsn("source")).look()
        assert (await covers(w, before, now())).gaps == [], "a slot that goes on ends nothing"
        seen_at = now()

        source.execute("SELECT pg_drop_replication_slot('s')")
        source.execute("TRUNCATE s.t")
        make_slot(source)
        capture(source, 3)
        put(w, A, 3)  # what it captures seems to go on
        too_early = now()
        read(w, A, too_early, 1, 3)
        await w.flushed()
        await settle(w)
        for _ in range(2):
            await watch(w, d=postgres.dsn("source")).look()
        await tell(w, ("s.t", 2))
        await completed(w)
        [gap] = (await covers(w, before, now())).gaps
        assert gap.reason == "slot lost: s was made anew"
        assert gap.begin <= seen_at
        assert await incomplete(w, await settle(w)) == ["s.t"]
        [(topic, key, value, _)] = w.broker.sent
        assert (topic, key) == (settings.signal_topic, b"d")
        assert json.loads(value or b"")["data"] == {"data-collections": ["s.t"], "type": "blocking"}

        read(w, A, at := now(), 1, 3)
        await tell(w, ("s.t", 2))
        await completed(w)
        found = await covers(w, before, await settle(w))
        assert [interval.begin for interval in found.intervals][-1] == at
        assert await incomplete(w, await settle(w)) == []


async def test_a_slot_is_not_taken_for_another_one(
    settings: Settings, postgres: Postgres, source: psycopg.Connection[Any]
) -> None:
    """Neither when somebody lets the server count anew, nor when an earlier look is kept after a later one."""
    async with world(settings) as w:
        await w.own()
        put(w, A, 1)
        await w.flushed()
        before = await settle(w)
        async with connected(postgres.dsn("source")) as connection:
            capture(source, 5)
            early = await look_at_slots(connection)
            capture(source, 2)
            late = await look_at_slots(connection)
            source.execute("SELECT pg_stat_reset_replication_slot('s')")
            reset = await look_at_slots(connection)
        for look in (late, early, reset):
            assert await Coverage(w.database).slot_seen("d", look, not_asked) is None
        assert (await covers(w, before, now())).gaps == []


async def test_a_source_that_is_away_stands_in_no_others_way(settings: Settings, postgres: Postgres) -> None:
    """Neither one that refuses nor one that never answers; whichever is looked at first."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        async with world(settings) as w:
            gone, mute = "postgresql://x@127.0.0.1:9/x", f"postgresql://x@127.0.0.1:{port}/x"
            looking = asyncio.create_task(watch(w, gone=gone, mute=mute, d=postgres.dsn("source")).look())
            async with asyncio.timeout(60):
                while await states(w) != {"d": "missing"}:  # noqa: ASYNC110 - what is waited for is no event
                    await asyncio.sleep(0.02)
            looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await looking


async def test_what_could_not_be_kept_is_kept_at_the_next_look(settings: Settings, postgres: Postgres) -> None:
    """The history database may be away when a slot is first seen to be gone."""
    async with world(settings) as w:
        looking = watch(w, d=postgres.dsn("source"))
        await w.fetch("ALTER TABLE source RENAME TO elsewhere")
        await looking.look()
        await w.fetch("ALTER TABLE elsewhere RENAME TO source")
        await looking.look()
        assert await states(w) == {"d": "missing"}
