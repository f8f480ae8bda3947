"""What takes too long in the database is said as such, and can be tried again."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from msr_stream.errors import Unavailable
from msr_stream.settings import Settings
from msr_stream.store.database import connect_arguments
from tests.world import World, until, world


async def settled(w: World) -> None:
    """Something is recorded, and settled."""
    await w.own()
    w.send({"id": 1})
    await w.flushed()
    w.settler._lateness = 0

    async def ticks() -> None:
        while not await w.fetch("SELECT FROM shard WHERE settled_until IS NOT NULL"):
            await w.settler.tick()

    await asyncio.wait_for(ticks(), 60)


@pytest.mark.parametrize(
    ("end", "said"), [("cancel", "reading the history took too long"), ("terminate", "is not available")]
)
async def test_an_answer_that_is_ended_by_the_database_may_be_tried_again(
    settings: Settings, end: str, said: str
) -> None:
    """A statement's timeout ends it with the code of a cancelled query; neither is a crash of ours."""
    async with world(settings) as w:
        await settled(w)
        holder = await asyncpg.connect(**connect_arguments(settings))
        await holder.execute(f"BEGIN; LOCK TABLE {settings.database_schema}.cdc_event IN ACCESS EXCLUSIVE MODE")
        answer = asyncio.create_task(w.state("t1"))
        asked = f"""SELECT pg_{end}_backend(pid) FROM pg_stat_activity
                    WHERE application_name = 'msr replay {settings.worker}' AND wait_event_type = 'Lock'"""
        ended: list[object] = []

        async def end_it() -> None:
            while not ended:
                ended.extend(await w.fetch(asked))

        await asyncio.wait_for(end_it(), 60)
        with pytest.raises(Unavailable, match=said) as caught:
            await answer
        assert int(caught.value.headers["Retry-After"]) > 0
        await holder.close()
        await until(lambda: not w.crashes, "nothing has crashed")
        assert [row["entity_id"] for row in await w.state("t1")] == ["1"]


async def test_what_nobody_waits_for_any_more_is_not_worked_on(settings: Settings) -> None:
    """Also a statement that has sent nothing yet, and so does not see by itself that its client is gone."""
    async with world(settings) as w:
        await settled(w)
        holder = await asyncpg.connect(**connect_arguments(settings))
        await holder.execute(f"BEGIN; LOCK TABLE {settings.database_schema}.cdc_event IN ACCESS EXCLUSIVE MODE")
        asked = f"SELECT wait_event_type FROM pg_stat_activity WHERE application_name = 'msr replay {settings.worker}'"
        answer = asyncio.create_task(w.state("t1"))

        async def seen(wanted: list[str]) -> None:
            while [row[0] for row in await w.fetch(asked)] != wanted:
                pass

        await asyncio.wait_for(seen(["Lock"]), 60)
        answer.cancel()
        await asyncio.wait_for(seen([]), 60)
        await holder.close()


async def test_a_server_that_cannot_look_for_its_clients_is_read_all_the_same(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It refuses the setting, as this one does a length that is none."""
    monkeypatch.setattr("msr_stream.store.connecting._WATCHED", {"client_connection_check_interval": "-1"})
    async with world(settings) as w:
        await settled(w)
        assert [row["entity_id"] for row in await w.state("t1")] == ["1"]


async def test_other_statements_have_a_limit_of_their_own(settings: Settings) -> None:
    async with world(settings) as w:

        async def too_long() -> None:
            async with w.database.serving() as connection:
                await connection.execute("SET statement_timeout = '50ms'")
                await connection.execute("SELECT pg_sleep(10)")

        with pytest.raises(Unavailable) as caught:
            await too_long()
        assert caught.value.headers["Retry-After"] == "2"
        async with w.database.serving() as connection:
            assert await connection.fetchval("SHOW statement_timeout") == "15s"
