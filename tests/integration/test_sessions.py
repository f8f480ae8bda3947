"""Sessions on a real database: each command once, the limit exact, and an owner that was asleep overwrites nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from msr_stream.identity import Caller
from msr_stream.instants import MINUTE, SECOND, now
from msr_stream.paging import Page
from msr_stream.sessions import command as c
from msr_stream.sessions.command import command
from msr_stream.sessions.owner import Copy, Owner, Timeline
from msr_stream.sessions.playback import Change
from msr_stream.settings import Settings
from msr_stream.store.audit import Actor, Audit
from msr_stream.store.database import Database
from msr_stream.store.migrations import migrate
from msr_stream.store.sessions import Sessions
from msr_stream.store.timelines import Timelines

ALICE = Caller("u-alice", "alice", "t1", frozenset())
CAROL = Caller("u-carol", "carol", "t1", frozenset())
BOB = Caller("u-bob", "bob", "t2", frozenset())
ROOT = Caller("u-root", "root", None, frozenset({"system-admin"}))
TIMEOUT = 60.0


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = now()

    def __call__(self) -> int:
        return self.now


class Desk:
    """An owner with its copies, as a worker has them; several may think that they own the same session."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.store, self.timelines = Sessions(database, TIMEOUT, clock), Timelines(database)
        self.owner = Owner(self.store, self.timelines, clock)
        self.copies: dict[UUID, Copy] = {}
        self.answers: dict[UUID, Timeline] = {}

    async def send(self, item: c.Command) -> dict[str, Any]:
        """What the owner answers."""
        copy = self.copies.setdefault(item.session_id, Copy(0))
        return await self.owner.handle(item, copy, self.answers.setdefault(item.session_id, Timeline()))

    async def create(self, caller: Caller = ALICE) -> UUID:
        """A new session."""
        session_id = uuid4()
        assert "data" in await self.send(command(caller, session_id, c.Create()))
        return session_id

    async def kinds(self, session_id: UUID) -> list[str]:
        """The kinds of what is on a session's timeline."""
        found, _ = await self.timelines.timeline(session_id, Page(1, 1000, (("number", "asc"),)))
        assert [entry["number"] for entry in found] == list(range(1, len(found) + 1))
        return [entry["kind"] for entry in found]


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    await migrate(settings)
    database = Database(settings)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(database: Database, clock: Clock) -> Desk:
    return Desk(database, clock)


def error(answer: dict[str, Any]) -> tuple[str, str]:
    """The kind and the code of an error."""
    return answer["error"]["kind"], answer["error"]["code"]


def play(session_id: UUID, occ_lock: int, caller: Caller = ALICE, **change: Any) -> c.Command:
    return command(caller, session_id, c.Play(Change(**change), occ_lock))


async def allow(database: Database, sessions: int) -> None:
    async with database.serving() as connection:
        await connection.execute(
            "UPDATE configuration SET value = to_jsonb($1::int) WHERE key = 'max_active_sessions'", sessions
        )


async def test_fifty_at_once_at_a_limit_of_five_are_five_sessions(database: Database, clock: Clock) -> None:
    """Whoever owns them: the limit is over all tenants, and exact."""
    desks = [Desk(database, clock), Desk(database, clock)]
    callers = [ALICE, BOB]
    given = await asyncio.gather(*(desks[n % 2].send(command(callers[n % 2], uuid4(), c.Create())) for n in range(50)))
    assert Counter(error(one) if "error" in one else "created" for one in given) == {
        "created": 5,
        ("Conflict", "SESSION_LIMIT_REACHED"): 45,
    }
    assert await desks[0].store.active(None) == 5


async def test_a_place_is_free_again_once_a_session_ends_or_is_not_seen(
    database: Database, desk: Desk, clock: Clock
) -> None:
    await allow(database, 2)
    first, second = await desk.create(), await desk.create(BOB)
    assert error(await desk.send(command(ALICE, uuid4(), c.Create()))) == ("Conflict", "SESSION_LIMIT_REACHED")
    await desk.send(command(ALICE, first, c.Terminate()))
    third = await desk.create()
    clock.now += 2 * MINUTE
    fourth = await desk.create()
    assert await desk.kinds(second) == ["create", "unseen"]
    assert await desk.kinds(third) == ["create", "unseen"]
    assert await desk.kinds(fourth) == ["create"]


@pytest.mark.parametrize("owner", ["the same", "another", "one that has forgotten"])
async def test_a_command_that_arrives_twice_is_applied_once(
    database: Database, desk: Desk, clock: Clock, owner: str
) -> None:
    """And answered both times, whoever owns the session by then."""
    session_id, second = uuid4(), desk if owner == "the same" else Desk(database, clock)
    for deed in (
        c.Create(),
        c.Play(Change(speed=2.0), 1),
        c.Bookmark(clock.now, "here", ""),
        c.Mark(clock.now, "look"),
        c.Terminate(),
    ):
        item = command(ALICE, session_id, deed)
        given = await desk.send(item)
        assert "data" in given
        if owner == "one that has forgotten":
            second = Desk(database, clock)
        again = await second.send(item)
        if isinstance(deed, c.Bookmark):
            assert again["data"]["id"] == given["data"]["id"]
        else:
            assert again["data"]["occ_lock"] == given["data"]["occ_lock"]
    assert await desk.kinds(session_id) == ["create", "speed", "bookmark", "mark", "terminate"]
    assert len(await desk.timelines.bookmarks(session_id)) == 1


async def test_two_owners_at_once_apply_a_command_once(database: Database, desk: Desk, clock: Clock) -> None:
    session_id, other = await desk.create(), Desk(database, clock)
    items = [command(ALICE, session_id, c.Mark(clock.now, str(n))) for n in range(20)]
    await asyncio.gather(*(one.send(item) for item in items for one in (desk, other)))
    assert await desk.kinds(session_id) == ["create", *["mark"] * 20]


async def test_an_owner_that_was_asleep_reads_again_and_overwrites_nothing(
    database: Database, desk: Desk, clock: Clock
) -> None:
    """Its copy is older than the database, and so is the playhead that it has buffered."""
    session_id, other = await desk.create(), Desk(database, clock)
    await desk.send(command(ALICE, session_id, c.Tick(1 * SECOND)))
    await other.send(play(session_id, 1, speed=8.0))
    await other.send(play(session_id, 2, playhead=500 * SECOND))
    await desk.send(c.flush(session_id))
    assert error(await desk.send(play(session_id, 1, speed=1.0))) == ("Conflict", "CONFLICT")
    given = (await desk.send(play(session_id, 3, playing=True)))["data"]
    assert given["playback"]["speed"] == 8.0
    assert given["playback"]["playhead"] == "1970-01-01T00:08:20.000000Z"
    assert await desk.kinds(session_id) == ["create", "speed", "seek", "play"]


async def test_a_tick_that_is_flushed_late_does_not_move_the_playhead_back(
    database: Database, desk: Desk, clock: Clock
) -> None:
    """Two owners of the same session at the same occ_lock: the later tick stays, whoever flushes last."""
    session_id, other = await desk.create(), Desk(database, clock)
    early, late = (command(ALICE, session_id, c.Tick(n * SECOND)) for n in (1, 2))
    await desk.send(early)
    await other.send(late)
    await other.send(c.flush(session_id))
    await desk.send(c.flush(session_id))
    stored = await desk.store.read(session_id)
    assert stored is not None
    assert stored.playback.playhead == 2 * SECOND
    assert stored.occ_lock == 1


async def test_ticks_are_buffered_and_commands_are_applied_to_what_the_user_sees(desk: Desk, clock: Clock) -> None:
    session_id = await desk.create()
    for second in range(5):
        given = await desk.send(command(ALICE, session_id, c.Tick(second * SECOND)))
    assert given["data"]["playback"]["playhead"] == "1970-01-01T00:00:04.000000Z"
    unflushed = await desk.store.read(session_id)
    assert unflushed is not None
    assert unflushed.playback.playhead is None
    given = await desk.send(play(session_id, 1, playing=False))
    assert given["data"]["playback"]["playhead"] == "1970-01-01T00:00:04.000000Z"
    assert await desk.kinds(session_id) == ["create", "pause"]


async def test_a_session_that_is_seen_stays_and_one_that_is_not_ends_by_itself(desk: Desk, clock: Clock) -> None:
    seen, unseen = await desk.create(), await desk.create(CAROL)
    for _ in range(4):
        clock.now += 20 * SECOND + 1
        await desk.send(c.Command(uuid4(), seen, c.Seen(), "u-alice", "alice", "t1", clock.now))
    await desk.send(c.flush(seen))
    assert await desk.store.end_unseen() == [unseen]
    assert await desk.store.end_unseen() == []
    given = await desk.send(command(CAROL, unseen, c.Mark(clock.now, "late")))
    assert error(given) == ("Conflict", "SESSION_TERMINATED")
    assert given["error"]["details"] == [{"session_id": str(unseen), "reason": "unseen"}]
    assert "data" in await desk.send(command(ALICE, seen, c.Mark(clock.now, "in time")))


async def test_a_session_that_was_not_seen_may_go_on_a_terminated_one_may_not(desk: Desk, clock: Clock) -> None:
    session_id = await desk.create()
    clock.now += 2 * MINUTE
    await desk.store.end_unseen()
    given = await desk.send(c.Command(uuid4(), session_id, c.Resume(), "u-alice", "alice", "t1", clock.now))
    assert given["data"]["status"] == "ACTIVE"
    assert given["data"]["ended_reason"] is None
    await desk.send(command(ALICE, session_id, c.Terminate()))
    assert error(await desk.send(command(ALICE, session_id, c.Resume()))) == ("Conflict", "SESSION_TERMINATED")
    assert await desk.kinds(session_id) == ["create", "unseen", "resume", "terminate"]


async def test_only_its_user_commands_a_session(desk: Desk, clock: Clock) -> None:
    session_id = await desk.create()
    for deed in (c.Terminate(), c.Tick(1), c.Seen(), c.Mark(1, "x"), c.Play(Change(playing=True), 1), c.Resume()):
        assert error(await desk.send(command(CAROL, session_id, deed))) == ("Forbidden", "FORBIDDEN")
        assert error(await desk.send(command(BOB, session_id, deed))) == ("NotFound", "NOT_FOUND")
        assert error(await desk.send(command(ALICE, uuid4(), deed))) == ("NotFound", "NOT_FOUND")
    assert await desk.kinds(session_id) == ["create"]


async def test_a_user_who_names_no_session_is_seen_in_all_of_the_own(desk: Desk, clock: Clock) -> None:
    mine, theirs, elsewhere = await desk.create(), await desk.create(CAROL), await desk.create(BOB)
    clock.now += 30 * SECOND
    await desk.store.seen_by_user("u-alice", "t1")
    clock.now += 40 * SECOND
    assert set(await desk.store.end_unseen()) == {theirs, elsewhere}
    assert [session.id for session in await desk.store.some([mine, theirs]) if session.active] == [mine]


async def test_an_administrator_terminates_all_or_none_and_it_is_noted(
    database: Database, desk: Desk, clock: Clock
) -> None:
    mine, theirs = await desk.create(), await desk.create(BOB)
    actor = Actor(ROOT, str(uuid4()))
    with pytest.raises(Exception, match="there is no session") as caught:
        await desk.store.terminate([mine, unknown := uuid4()], None, actor)
    assert caught.value.details == [{"session_id": str(unknown)}]  # type: ignore[attr-defined]
    with pytest.raises(Exception, match="there is no session"):
        await desk.store.terminate([mine, theirs], "t1", actor)
    assert await desk.store.active(None) == 2
    await desk.store.terminate([mine, theirs], None, actor)
    assert await desk.store.active(None) == 0
    noted, total = await Audit(database).page(Page(), tenant=None, action="session.terminate", user_id=None)
    assert total == 2
    assert {(entry["subject"], entry["tenant_id"], entry["username"]) for entry in noted} == {
        (str(mine), "t1", "root"),
        (str(theirs), "t2", "root"),
    }
    assert error(await desk.send(command(ALICE, mine, c.Tick(1)))) == ("Conflict", "SESSION_TERMINATED")


async def test_bookmarks_keep_their_order_and_one_that_is_gone_is_named(desk: Desk, clock: Clock) -> None:
    session_id = await desk.create()
    made = [(await desk.send(command(ALICE, session_id, c.Bookmark(n, f"moment {n}", ""))))["data"] for n in (3, 1, 2)]
    assert [one["title"] for one in await desk.timelines.bookmarks(session_id)] == ["moment 3", "moment 1", "moment 2"]
    removal = command(ALICE, session_id, c.RemoveBookmark(UUID(made[1]["id"])))
    assert "data" in await desk.send(removal)
    assert error(await desk.send(command(ALICE, session_id, removal.deed))) == ("NotFound", "NOT_FOUND")
    assert [one["title"] for one in await desk.timelines.bookmarks(session_id)] == ["moment 3", "moment 2"]
    assert await desk.kinds(session_id) == ["create", *["bookmark"] * 3, "remove_bookmark"]


async def test_a_bookmark_is_changed_and_moved_where_it_is(desk: Desk, clock: Clock) -> None:
    """It stays the same bookmark; what is not sent stays; a command that comes twice is answered twice."""
    session_id = await desk.create()
    made = [(await desk.send(command(ALICE, session_id, c.Bookmark(n, f"moment {n}", "why"))))["data"] for n in (1, 2)]
    first, second = (UUID(one["id"]) for one in made)
    between = command(ALICE, session_id, c.ChangeBookmark(second, rank=made[0]["rank"] - 1))
    moved = (await desk.send(between))["data"]
    assert moved == made[1] | {"rank": made[0]["rank"] - 1}
    assert (await Desk(desk.database, clock).send(between))["data"] == moved
    said = (await desk.send(command(ALICE, session_id, c.ChangeBookmark(first, instant=9, title="it begins"))))["data"]
    assert said == made[0] | {"timestamp": "1970-01-01T00:00:00.000009Z", "title": "it begins"}
    emptied = (await desk.send(command(ALICE, session_id, c.ChangeBookmark(first, note=""))))["data"]
    assert emptied == said | {"note": ""}
    assert await desk.timelines.bookmarks(session_id) == [moved, emptied]
    assert await desk.kinds(session_id) == ["create", *["bookmark"] * 2, *["change_bookmark"] * 3]


async def test_a_bookmark_is_changed_by_its_owner_and_in_its_session_alone(desk: Desk) -> None:
    mine, other = await desk.create(), await desk.create()
    bookmark = UUID((await desk.send(command(ALICE, mine, c.Bookmark(1, "here"))))["data"]["id"])
    deed = c.ChangeBookmark(bookmark, title="theirs")
    assert error(await desk.send(command(ALICE, other, deed))) == ("NotFound", "NOT_FOUND")
    assert error(await desk.send(command(BOB, mine, deed))) == ("NotFound", "NOT_FOUND")
    assert error(await desk.send(command(CAROL, mine, deed)))[0] == "Forbidden"
    assert [one["title"] for one in await desk.timelines.bookmarks(mine)] == ["here"]
    assert await desk.kinds(other) == ["create"]


async def test_a_crash_in_a_command_is_answered_and_the_copy_is_not_believed_any_more(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = await desk.create()

    async def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    with monkeypatch.context() as patched:
        patched.setattr(desk.store, "change", broken)
        given = await desk.send(command(ALICE, session_id, c.Mark(1, "x")))
    assert error(given) == ("RequestError", "INTERNAL_SERVER_ERROR")
    assert "a defect" not in given["error"]["message"]
    assert desk.copies[session_id].session is None
    assert "data" in await desk.send(command(ALICE, session_id, c.Mark(1, "x")))
