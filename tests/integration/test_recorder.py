"""A worker's recorder: when runs get lost and shards go, and what it leaves on its connections."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest
from msr_local.postgres import Postgres

from msr_stream.instants import SECOND, now
from msr_stream.recording.feed import Delivery, Session
from msr_stream.recording.progress import Shard
from msr_stream.recording.settling import Settler
from msr_stream.recording.shard import ShardRecorder
from msr_stream.settings import Settings
from tests.conftest import history_settings
from tests.world import TOPIC, until, world


@pytest.fixture
def settings(postgres: Postgres, tmp_path: Path) -> Settings:
    """Settings of a worker with a history of its own."""
    return history_settings(postgres.port, tmp_path)


async def test_an_error_ends_a_worker_unless_the_shard_was_given_up(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is cancelled amid a statement may end otherwise than cancelled: the next owner reads it again."""

    async def run(_: ShardRecorder) -> None:
        try:
            await fail.wait()
        finally:
            raise asyncpg.InterfaceError("another operation is in progress")

    monkeypatch.setattr(ShardRecorder, "run", run)
    fail = asyncio.Event()
    async with world(settings) as w:
        await w.own()
        await asyncio.sleep(0)
        await w.recorder.revoke(list(w.recorder.shards))
        await asyncio.sleep(0)
        assert w.crashes == []
        await w.own()
        fail.set()
        await until(lambda: bool(w.crashes), "it dies")
        w.crashes.clear()


async def test_a_run_that_is_lost_on_its_way_is_fetched_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its shard's next run would show the gap; while none comes the shard would hold the settled instant back."""
    clock, lost = [now()], list[Delivery]()

    def later() -> int:
        clock[0] += SECOND
        return clock[0]

    async with world(settings) as w:
        settler = Settler(settings, w.recorder, w.feed, w.settled, w.settler._look, later)
        await w.own()
        w.send({"id": 1})
        await w.flushed()
        with monkeypatch.context() as patched:
            patched.setattr(w.recorder, "take", lost.append)
            w.send({"id": 2})
            await until(lambda: bool(lost), "the run is lost")
        for _ in range(5):
            await settler.tick()
        assert len(await w.fetch("SELECT FROM cdc_event")) == 1
        await settler.tick()
        await w.flushed()
        assert [row["entity_id"] for row in await w.fetch("SELECT entity_id FROM cdc_event")] == ["1", "2"]
        # What was not fetched is not lost, however long that takes: reading it again would begin anew each time.
        session = w.feed._sessions[Shard(TOPIC, 0)]
        session.outstanding = Session.LIMIT
        w.send({"id": 3})
        for _ in range(20):
            await settler.tick()
        assert w.feed._sessions[Shard(TOPIC, 0)] is session
        session.outstanding = 0
        w.feed.wake()
        await w.flushed()
        assert len(await w.fetch("SELECT FROM cdc_event")) == 3


async def test_a_recorders_connection_is_given_back_without_a_word(settings: Settings) -> None:
    """A round trip less for each flush; what was begun on it is ended all the same."""
    async with world(settings) as w:

        async def doing() -> list[tuple[str, str]]:
            asked = "SELECT state, query FROM pg_stat_activity WHERE pid = $1"
            async with w.database.serving() as looking:
                return [(row["state"], row["query"]) for row in await looking.fetch(asked, server_pid)]

        async with w.database.recording() as connection:
            server_pid = connection.get_server_pid()
            await connection.execute("SELECT 'the last word'")
        assert await doing() == [("idle", "SELECT 'the last word'")]

        async def cut_short() -> None:
            async with w.database.recording() as connection:
                assert connection.get_server_pid() == server_pid
                await connection.transaction().start()
                begun.set()
                await asyncio.sleep(60)

        begun = asyncio.Event()
        working = asyncio.create_task(cut_short())
        await begun.wait()
        working.cancel()
        await asyncio.wait({working})
        assert await doing() in ([], [("idle", "ROLLBACK")])
