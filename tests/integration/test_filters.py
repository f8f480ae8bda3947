"""Parts of the past: some tables, some columns; held against the whole."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from msr_stream.instants import SECOND, now
from msr_stream.recording.progress import Shard
from msr_stream.replay import EventsQuery, Filter, StateQuery
from msr_stream.settings import Settings
from msr_stream.store import planning
from tests.integration.test_sources_admin import settle
from tests.world import World, world

#: What JSON numbers lose when they are read as numbers, and texts when they are written anew.
RAW = (
    '{"id":7,"tenant_id":"t1","huge":1e400,"long":12345678901234567890123,"price":1.10,"zero":-0,'
    '"text":"\\u00e9\\/ \\"}, {","list":[1.0, {"price" : 2.50}],"none":null}'
)
OTHER = Shard("d.s.u", 0)


@pytest.fixture
async def told(settings: Settings) -> AsyncIterator[tuple[World, int]]:
    """Two tables in topics of their own, of two tenants, and the instant before."""
    before = now() - SECOND
    async with world(settings) as w:
        w.settler._lateness = 0
        await w.own(partitions=2)
        await w.own("d.s.u")
        w.send_raw(RAW, "c")
        w.send({"id": 1, "tenant_id": "t2", "name": "theirs"}, shard=OTHER)
        w.write(b'{"id":9}', _bare_delete())
        await w.flushed()
        await settle(w)
        yield w, before


def _bare_delete() -> bytes:
    """A delete of a row that nobody has seen before."""
    source = {"name": "d", "schema": "s", "table": "t", "snapshot": "false", "ts_us": now(), "lsn": 99, "txId": 99,
              "sequence": '["98","99"]'}  # fmt: skip
    return json.dumps({"before": None, "after": None, "source": source, "op": "d"}).encode()


async def _text(w: World, chosen: Filter, window: tuple[int, int] | None = None) -> str:
    """An answer as it is sent."""
    pieces: list[bytes] = []

    async def gather(piece: bytes) -> None:
        pieces.append(piece)

    async with w.replay.snapshot("t1", None) as snapshot:
        if window is None:
            await snapshot.state(StateQuery(None, chosen), snapshot.resolve(None), gather)
        else:
            await snapshot.events(EventsQuery(*window, chosen), gather)
    return b"".join(pieces).decode()


async def test_chosen_columns_are_the_text_that_arrived(told: tuple[World, int]) -> None:
    """In the order in which they are named; a column of an object within it is none, an unknown one is not there."""
    w, before = told
    chosen = Filter(fields=("huge", "long", "price", "zero", "text", "list", "none", "no such"))
    whole = RAW.replace('"id":7,"tenant_id":"t1",', "")
    assert f'"entity_state":{whole},"op":"c"' in await _text(w, chosen)
    assert f'"entity_state":{whole},"op":"c"' in await _text(w, chosen, (before, now()))
    assert '"entity_state":{"price":1.10},"op":"c"' in await _text(w, Filter(fields=("price",)))
    assert '"entity_state":{},"op":"c"' in await _text(w, Filter(fields=("no such",)))


async def test_a_row_that_nobody_knows_stays_null(told: tuple[World, int]) -> None:
    w, before = told
    async with w.database.recording() as connection:
        await connection.execute("UPDATE cdc_event SET tenant_id = 't1' WHERE entity_id = '9'")
    for fields in ((), ("id",)):
        found = await _text(w, Filter(fields=fields), (before, now()))
        assert '{"entity_id":"9","entity_state":null,"op":"d",' in found


async def test_only_the_tables_asked_for_are_answered_and_their_shards_read(told: tuple[World, int]) -> None:
    w, before = told
    w.send({"id": 1, "name": "shared"}, shard=OTHER)
    await w.flushed()
    at = await settle(w)
    for table, topic, partitions in (("s.t", "d.s.t", 2), ("s.u", "d.s.u", 1)):
        chosen = Filter(only=(table, "no.such"))
        assert {row["table_name"] for row in await w.state("t1", None, chosen)} == {table}
        assert {row["table_name"] for row in await w.events("t1", before, at, chosen)} == {table}
        shards = [row["shard_id"] for row in await w.fetch("SELECT shard_id FROM shard WHERE topic = $1", topic)]
        assert len(shards) == partitions
        async with w.database.recording() as connection:
            read = {part.shard_id for part in await planning.parts(connection, at, chosen.only)}
            since = set(await planning.shards_since(connection, before, chosen.only))
        assert read
        assert read == since
        assert read <= set(shards)


async def test_only_the_entities_asked_for_are_answered(told: tuple[World, int]) -> None:
    """Also by an id that is in another table, and one that is nowhere."""
    w, before = told
    w.send({"id": 7, "name": "shared"}, shard=OTHER)
    w.send({"id": 8, "name": "another"}, shard=OTHER)
    await w.flushed()
    at = await settle(w)
    chosen = Filter(entities=(("s.u", "7"), ("s.t", "8"), ("s.t", "7")))
    for rows in (await w.state("t1", None, chosen), await w.events("t1", before, at, chosen)):
        assert {(row["table_name"], row["entity_id"]) for row in rows} == {("s.u", "7"), ("s.t", "7")}
    assert await w.state("t1", None, Filter(entities=(("s.u", "7"),), only=("s.t",))) == []


async def test_a_shard_of_which_no_table_is_known_is_read(told: tuple[World, int]) -> None:
    """A table that comes by another topic now than when it was first seen."""
    w, _ = told
    await w.fetch("UPDATE source_table SET topic = 'd.s.elsewhere' WHERE table_name = 's.t'")
    assert [row["entity_id"] for row in await w.state("t1", None, Filter(only=("s.t",)))] == ["7"]


async def test_a_table_of_others_answers_as_one_that_is_not_there(told: tuple[World, int]) -> None:
    w, before = told
    answers = [
        (await _text(w, Filter(only=(table,))), await _text(w, Filter(only=(table,)), (before, now())))
        for table in ("s.u", "no.such")
    ]
    assert answers == [("", ""), ("", "")]
    assert len(await w.state("t2", None, Filter(only=("s.u",)))) == 1
