"""Dead letters tried again on a real PostgreSQL: recorded once, superseded, or kept.

They become letters because the history database refuses them, by a constraint that is gone when they are retried.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from msr_stream.errors import NotFound
from msr_stream.identity import Caller
from msr_stream.instants import SECOND, now
from msr_stream.paging import Page
from msr_stream.recording.progress import Shard
from msr_stream.recording.retry import Outcome, Retry
from msr_stream.settings import Settings
from msr_stream.store.audit import Actor
from msr_stream.store.dead_letters import SHOWN, DeadLetters
from msr_stream.store.sources import Sources
from tests.world import TOPIC, World, world

ACTOR = Actor(Caller("u1", "root", None, frozenset()), "8a3cbf0c-7d5a-4dc8-8f0e-1d9b8d2b7a10")
UNCHANGED = "__debezium_unavailable_value"
_EVENTS = """SELECT op, tenant_id, entity_state, unavailable_fields, position, event_timestamp, source_timestamp
    FROM cdc_event WHERE entity_id = $1 ORDER BY position"""


#: A trigger of somebody who tells all he knows.
_TALKATIVE = """CREATE FUNCTION talk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'no: %', NEW.entity_state; END $$"""


@asynccontextmanager
async def refusing(settings: Settings) -> AsyncIterator[World]:
    """A worker whose database refuses states with the word `bad`, until `mend`."""
    async with world(settings) as w:
        await w.own()
        await w.fetch("ALTER TABLE cdc_event ADD CONSTRAINT refused CHECK (entity_state NOT LIKE '%bad%')")
        yield w


async def mend(w: World) -> None:
    """Everything that was written is dealt with, and from now on nothing is refused."""
    await w.flushed()
    await w.fetch("ALTER TABLE cdc_event DROP CONSTRAINT refused")


async def letters(w: World) -> list[int]:
    """All dead letters, as they came."""
    return [row["dead_letter_id"] for row in await w.fetch("SELECT dead_letter_id FROM dead_letter ORDER BY 1")]


async def retry(w: World, *ids: int) -> list[Outcome]:
    """Retry these letters, or all."""
    return await Retry(w.database, w.recorder, DeadLetters(w.database)).retry(ids or await letters(w), ACTOR)


async def test_a_letter_is_recorded_behind_what_its_shard_has(settings: Settings) -> None:
    """With its own source time, an effective time after what is settled, and the offset where it was."""
    async with refusing(settings) as w:
        w.send({"id": 1, "tenant_id": "t1", "n": 1})
        moment = w.send({"id": 2, "tenant_id": "t2", "text": "bad"})
        w.send({"id": 3, "tenant_id": "t1", "n": 3})
        await mend(w)
        settled = now()
        await w.fetch("UPDATE shard SET settled_until = $1, version = version + 1", settled)
        [before] = await w.fetch("SELECT * FROM shard")
        [outcome] = await retry(w)
        assert (outcome.state, outcome.reason) == ("recorded", "recorded at position 3 of d.s.t[0]")
        [event] = await w.fetch(_EVENTS, "2")
        assert (event["op"], event["tenant_id"], event["position"]) == ("c", "t2", 3)
        assert (event["event_timestamp"], event["source_timestamp"]) == (settled + 1, moment)
        [after] = await w.fetch("SELECT * FROM shard")
        assert (after["flushed_offset"], after["record_hash"]) == (before["flushed_offset"], before["record_hash"])
        assert (after["events"], after["live_entities"], after["version"]) == (3, 3, before["version"] + 1)
        assert (after["last_commit_lsn"], after["last_lsn"]) == (before["last_commit_lsn"], before["last_lsn"])
        [letter] = await w.fetch("SELECT state, code, outcome, resolved_at FROM dead_letter")
        assert tuple(letter)[:3] == ("recorded", "REFUSED_BY_DATABASE", outcome.reason)
        assert letter["resolved_at"] is not None
        counted = await w.fetch("SELECT sum(changes)::int AS n FROM activity WHERE tenant_id = 't2' AND op = 'c'")
        assert counted[0]["n"] == 1
        await w.fetch("UPDATE shard SET settled_until = $1, version = version + 1", settled + 1)
        assert [row["entity_id"] for row in await w.state("t2", settled + 1)] == ["2"]
        assert {row["entity_id"] for row in await w.state("t1", settled + 1)} == {"1", "3"}
        [noted] = await w.fetch("SELECT action, subject, username, after ->> 'state' AS state FROM audit")
        assert tuple(noted) == ("dead_letter.retry", str(outcome.id), "root", "recorded")
        w.send({"id": 4, "n": 4})
        await w.flushed()
        assert [row["position"] for row in await w.fetch(_EVENTS, "4")] == [4]


@pytest.mark.parametrize("op", ["u", "d"])
async def test_a_letter_whose_entity_has_a_later_event_is_superseded(settings: Settings, op: str) -> None:
    async with refusing(settings) as w:
        w.send({"id": 1, "text": "bad"})
        w.send({"id": 1, "text": "good"}, op=op)
        w.send({"id": 1, "text": "bad as well"}, op="u")
        await mend(w)
        first, second = await retry(w)
        assert (first.state, first.reason) == ("superseded", "its entity has a later event, at position 1")
        assert second.state == "recorded"
        found = [(row["op"], json.loads(row["entity_state"])["text"]) for row in await w.fetch(_EVENTS, "1")]
        assert found == [(op, "good"), ("u", "bad as well")]
        assert await retry(w, first.id, second.id) == [first, second], "what was dealt with stays as it is"


async def test_letters_are_retried_in_the_order_in_which_they_came(settings: Settings) -> None:
    async with refusing(settings) as w:
        for number in range(3):
            w.send({"id": 1, "text": f"bad {number}"}, op="u")
        await mend(w)
        outcomes = await retry(w, *reversed(await letters(w)))
        assert [one.state for one in outcomes] == ["recorded"] * 3
        states = [json.loads(row["entity_state"])["text"] for row in await w.fetch(_EVENTS, "1")]
        assert states == ["bad 0", "bad 1", "bad 2"]


async def test_without_log_numbers_the_source_time_decides(settings: Settings) -> None:
    """Snapshot reads, and records of the shapes that have no lsn."""
    bare: dict[str, Any] = {"lsn": None, "txId": None, "sequence": None}
    async with refusing(settings) as w:
        moment = now() - 60 * SECOND
        w.send({"id": 1, "text": "bad"}, op="u", ts_us=moment, **bare)
        w.send({"id": 2, "text": "bad"}, op="u", ts_us=moment, **bare)
        w.send({"id": 1, "text": "good"}, op="u", ts_us=moment + 1, **bare)
        w.send({"id": 2, "text": "good"}, op="u", ts_us=moment - 1, **bare)
        await mend(w)
        assert [one.state for one in await retry(w)] == ["superseded", "recorded"]


async def test_why_a_record_was_refused_says_nothing_of_its_row(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """PostgreSQL quotes the row; the log and the lists of dead letters are read by people of other tenants."""
    async with refusing(settings) as w:
        w.send({"id": 1, "tenant_id": "t1", "text": "bad secret"})
        w.send({"id": 2, "tenant_id": "t1", "text": "good"})
        await w.flushed()
        [first] = await w.fetch("SELECT reason FROM dead_letter")
        [again] = await retry(w)
        assert first["reason"] == again.reason
        assert again.reason.startswith("check violation (SQLSTATE 23514), constraint refused, table cdc_event")
        await mend(w)
        await w.fetch(_TALKATIVE)
        await w.fetch("CREATE TRIGGER talk BEFORE INSERT ON cdc_event FOR EACH ROW EXECUTE FUNCTION talk()")
        [other] = await retry(w)
        assert (other.state, other.reason) == ("kept", "raise (SQLSTATE P0001)")
    said = capsys.readouterr()
    assert "refused by the database" in said.out + said.err
    assert "secret" not in said.out + said.err + again.reason + other.reason


async def test_what_still_cannot_be_recorded_is_kept_with_its_reason(settings: Settings) -> None:
    """Unreadable, or refused by the database once more; the reason is the new one, and nothing else has moved."""
    async with refusing(settings) as w:
        w.write(b'{"id":1}', b"{never closed")
        w.send({"id": 2, "text": "bad"})
        await w.flushed()
        await w.fetch("UPDATE dead_letter SET reason = 'an old reason', code = 'OLD'")
        [before] = await w.fetch("SELECT version, last_position FROM shard")
        unreadable, refused = await retry(w)
        assert (unreadable.state, refused.state) == ("kept", "kept")
        kept = await w.fetch("SELECT code, reason, state, outcome, resolved_at FROM dead_letter ORDER BY record_offset")
        assert [row["code"] for row in kept] == ["NOT_JSON", "REFUSED_BY_DATABASE"]
        assert [row["reason"] for row in kept] == [unreadable.reason, refused.reason]
        assert {tuple(row)[2:] for row in kept} == {("kept", None, None)}
        assert await w.fetch("SELECT FROM cdc_event") == []
        assert await w.fetch("SELECT version, last_position FROM shard") == [before]
        await mend(w)
        assert [one.state for one in await retry(w)] == ["kept", "recorded"]


async def test_unknown_letters_are_named_and_nothing_is_done(settings: Settings) -> None:
    async with refusing(settings) as w:
        w.send({"id": 1, "text": "bad"})
        await mend(w)
        [known] = await letters(w)
        with pytest.raises(NotFound, match="998, 999") as caught:
            await retry(w, 999, known, 998)
        assert caught.value.details == [{"id": 998}, {"id": 999}]
        assert await w.fetch("SELECT FROM cdc_event") == []


async def test_retried_by_many_while_the_owner_records_it_is_there_once(settings: Settings) -> None:
    """From two workers, several times each, while runs of the same shard are being flushed."""
    async with refusing(settings) as w, world(settings) as other:
        for number in range(10):
            w.send({"id": number, "text": "bad"})
        await mend(w)
        ids = await letters(w)
        assert len(ids) == 10
        sending = asyncio.create_task(_send_more(w))
        rounds = await asyncio.gather(*(retry(one, *ids) for one in (w, other) * 3))
        await sending
        await w.flushed()
        assert {outcome.state for outcomes in rounds for outcome in outcomes} == {"recorded"}
        assert all(outcomes == rounds[0] for outcomes in rounds)
        found = await w.fetch("SELECT entity_id, position FROM cdc_event ORDER BY position")
        assert [row["position"] for row in found] == list(range(1, 311))
        assert len({row["entity_id"] for row in found}) == 310
        audit = await w.fetch("SELECT count(*) AS n FROM audit")
        assert audit[0]["n"] == 10


async def _send_more(w: World) -> None:
    for number in range(100, 400):
        w.send({"id": number, "n": number})
        await asyncio.sleep(0.002)


async def test_the_same_record_sent_again_is_a_copy_of_what_a_retry_recorded(settings: Settings) -> None:
    """Of the newest record too, whose sequence no flush has counted."""
    async with refusing(settings) as w:
        w.send({"id": 1, "text": "bad"}, lsn=7, txId=7, sequence='["6", "7"]')
        await mend(w)
        assert [one.state for one in await retry(w)] == ["recorded"]
        w.send({"id": 1, "text": "bad"}, lsn=7, txId=7, sequence='["6", "7"]')
        w.send({"id": 1, "text": "next"}, op="u", lsn=8, txId=8, sequence='["7", "8"]')
        await w.flushed()
        assert [row["op"] for row in await w.fetch(_EVENTS, "1")] == ["c", "u"]
        assert (await w.fetch("SELECT copies FROM shard"))[0]["copies"] == 1


async def test_unchanged_values_come_from_the_last_state(settings: Settings) -> None:
    async with refusing(settings) as w:
        w.send({"id": 1, "note": "a long text", "word": "good"})
        w.send({"id": 1, "note": UNCHANGED, "word": "bad"}, op="u")
        w.send({"id": 2, "note": UNCHANGED, "word": "bad"}, op="u")
        await mend(w)
        assert [one.state for one in await retry(w)] == ["recorded"] * 2
        [_, event] = await w.fetch(_EVENTS, "1")
        assert json.loads(event["entity_state"]) == {"id": 1, "note": "a long text", "word": "bad"}
        [event] = await w.fetch(_EVENTS, "2")
        assert (json.loads(event["entity_state"])["note"], event["unavailable_fields"]) == (None, ["note"])


async def test_a_letter_that_moves_its_entity_to_another_tenant_is_two_events(settings: Settings) -> None:
    """And each tenant sees its own half; the owner knows the new tenant afterwards."""
    async with refusing(settings) as w:
        w.send({"id": 1, "tenant_id": "t1", "text": "good"})
        w.send({"id": 1, "tenant_id": "t2", "text": "bad"}, op="u")
        await mend(w)
        begun = now() - 3600 * SECOND
        assert [one.state for one in await retry(w)] == ["recorded"]
        w.send({"id": 1, "tenant_id": "t2", "text": "end"}, op="d")
        await w.flushed()
        found = [(row["op"], row["tenant_id"], json.loads(row["entity_state"])["text"]) for row in
                 await w.fetch(_EVENTS, "1")]  # fmt: skip
        assert found == [("c", "t1", "good"), ("d", "t1", "good"), ("c", "t2", "bad"), ("d", "t2", "bad")]
        [shard] = await w.fetch("UPDATE shard SET settled_until = last_effective, version = version + 1 RETURNING *")
        assert shard["live_entities"] == 0
        end = shard["settled_until"]
        assert [event["op"] for event in await w.events("t1", begun, end)] == ["c", "d"]
        assert [event["op"] for event in await w.events("t2", begun, end)] == ["c", "d"]
        assert await w.events("t3", begun, end) == []


async def test_a_letter_of_a_retired_table_is_superseded(settings: Settings) -> None:
    """The table's end is later; one that is put aside after the end lets it live on."""
    async with refusing(settings) as w:
        w.send({"id": 1, "n": 1})
        w.send({"id": 2, "text": "bad"})
        await w.flushed()
        await Sources(w.database).retire("d", "s.t", ACTOR)
        w.send({"id": 3, "text": "bad"}, ts_us=now() + SECOND)
        await mend(w)
        first, second = await retry(w)
        assert (first.state, first.reason) == ("superseded", "its table was retired later")
        assert second.state == "recorded"
        [row] = await w.fetch(
            "SELECT t.retired_at, s.retired_at, s.live FROM source_table t JOIN shard s USING (topic)"
        )
        assert tuple(row) == (None, None, True)


async def test_of_a_stopped_topic_nothing_is_recorded(settings: Settings) -> None:
    async with refusing(settings) as w:
        w.send({"id": 1, "text": "bad"})
        await mend(w)
        await w.recorder.history.stop_topic(TOPIC, "its partitions changed")
        [outcome] = await retry(w)
        assert (outcome.state, outcome.reason) == ("kept", "its topic is stopped: its partitions changed")
        assert await w.fetch("SELECT FROM cdc_event") == []


async def test_dead_letters_are_listed_by_page_and_choice(settings: Settings) -> None:
    async with world(settings) as w:
        await w.own()
        await w.own("e.s.w")
        values = [b"{never closed", b"\xff\xfe", b"{" + "é".encode() * SHOWN, b"{" * SHOWN]
        for value in values:
            w.write(b'{"id":1}', value)
        w.write(None, b'{"a":1}', Shard("e.s.w", 0))
        await w.flushed()
        found = DeadLetters(w.database)
        nothing = {"source": None, "table": None, "code": None, "state": None}
        rows, total = await found.page(Page(sort=(("offset", "asc"), ("topic", "asc"))), **nothing)
        assert total == len(rows) == 5
        ours = [row for row in rows if row["topic"] == TOPIC]
        assert [row["offset"] for row in ours] == [0, 1, 2, 3]
        assert ours[0]["value"] == {"text": "{never closed", "encoding": "utf-8", "cut": False}
        assert ours[1]["value"] == {"text": "//4=", "encoding": "base64", "cut": False}
        assert ours[2]["value"] == {"text": "{" + "é" * ((SHOWN - 1) // 2), "encoding": "utf-8", "cut": True}
        assert ours[3]["value"] == {"text": "{" * SHOWN, "encoding": "utf-8", "cut": False}
        rows, total = await found.page(Page(1, 2), **{**nothing, "source": "d", "state": "kept"})
        assert (len(rows), total) == (2, 4)
        rows, total = await found.page(Page(9, 2), **{**nothing, "source": "d"})
        assert (rows, total) == ([], 4)
        [row] = (await found.page(Page(), **{**nothing, "source": "e"}))[0]
        assert (row["key"], row["topic"], row["state"], row["outcome"]) == (None, "e.s.w", "kept", None)
        assert row["code"] in {"NO_KEY", "UNKNOWN_SHAPE"}
        assert (await found.page(Page(), **{**nothing, "table": "s.t"}))[1] == 0
        for field in DeadLetters.SORTABLE:
            assert (await found.page(Page(sort=((field, "desc"),)), **nothing))[1] == 5
