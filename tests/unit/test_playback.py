"""What commands make of a session's playback, and how the timeline words it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from msr_stream import instants
from msr_stream.sessions import command as c
from msr_stream.sessions.changes import changed, entry
from msr_stream.sessions.playback import Change, Playback, Window
from msr_stream.sessions.session import INACTIVE, Session

NOON = instants.parse("2026-11-25T12:00:00Z")
ID = UUID(int=7)


def _session(**given: Any) -> Session:
    plain: dict[str, Any] = {
        "id": UUID(int=1), "user_id": "u", "username": "alice", "tenant_id": "t1", "status": "ACTIVE", "occ_lock": 4,
        "last_seen_at": NOON, "created_at": NOON, "updated_at": NOON, "created_by": "alice", "updated_by": "alice",
    }  # fmt: skip
    return Session(**plain | given)


def _command(deed: c.Deed, at: int = NOON) -> c.Command:
    return c.Command(ID, UUID(int=1), deed, "u", "alice", "t1", at)


@pytest.mark.parametrize(
    ("change", "kind", "detail"),
    [
        (Change(playing=True), "play", {"status": "playing"}),
        (Change(playing=False), "pause", {"status": "paused"}),
        (Change(playhead=NOON), "seek", {"playhead": "2026-11-25T12:00:00.000000Z"}),
        (Change(speed=-2.5), "speed", {"speed": -2.5}),
        (Change(window=None), "window", {"window": None}),
        (Change(filters={"tables": ["s.t"]}), "filters", {"filters": {"tables": ["s.t"]}}),
        (Change(playing=True, speed=4.0), "playback", {"status": "playing", "speed": 4.0}),
    ],
)
def test_a_change_has_one_word_and_tells_what_it_changed(change: Change, kind: str, detail: dict[str, Any]) -> None:
    assert entry(_command(c.Play(change, 4))) == (kind, detail)


def test_what_a_change_does_not_name_stays() -> None:
    before = Playback(playing=True, playhead=NOON, speed=3.0, window=Window(NOON, NOON + 1), filters={"a": 1})
    assert Change(speed=1.0).apply(before) == Playback(
        playing=True, playhead=NOON, speed=1.0, window=Window(NOON, NOON + 1), filters={"a": 1}
    )
    assert Change(window=None, filters=None).apply(before).window is None


def test_a_seek_takes_the_time_of_its_command_so_that_no_older_tick_moves_the_playhead_back() -> None:
    after = changed(_session(ticked_at=5), _command(c.Play(Change(playhead=NOON), 4), at=NOON + 9))
    assert after.ticked_at == NOON + 9
    assert changed(_session(ticked_at=5), _command(c.Play(Change(speed=2.0), 4), at=NOON)).ticked_at == 5


def test_a_terminated_session_says_why_it_is_inactive() -> None:
    after = changed(_session(), _command(c.Terminate()))
    assert (after.status, after.ended_reason) == (INACTIVE, "terminated")
    assert not after.active


def test_a_command_is_the_same_after_its_way_over_the_topic() -> None:
    for deed in (
        c.Create(), c.Resume(), c.Terminate(), c.Tick(NOON), c.Seen(), c.Flush(), c.Mark(NOON, "x"),
        c.Bookmark(NOON, "title", "note"), c.ChangeBookmark(ID, title="other", rank=0.5), c.RemoveBookmark(ID),
        c.Play(Change(playing=True, window=Window(1, 2), filters={"k": [1, None]}), 3),
    ):  # fmt: skip
        assert c.decode(c.encode(_command(deed))) == _command(deed)


def test_the_timeline_tells_what_of_a_bookmark_has_changed_and_nothing_else() -> None:
    moved = c.ChangeBookmark(ID, rank=1.5)
    assert entry(_command(moved)) == ("change_bookmark", {"bookmark_id": str(ID), "rank": 1.5})
    other = c.ChangeBookmark(ID, instant=NOON, note="")
    about = {"bookmark_id": str(ID), "instant": "2026-11-25T12:00:00.000000Z", "note": ""}
    assert entry(_command(other)) == ("change_bookmark", about)


def test_a_session_is_answered_with_every_field_that_clients_read() -> None:
    view = _session().view()
    wanted = {
        "id", "user_id", "tenant_id", "status", "occ_lock", "last_seen_at", "created_at", "updated_at", "update_at",
        "created_by", "updated_by",
    }  # fmt: skip
    assert wanted <= set(view)
    assert view["updated_at"] == view["update_at"] == "2026-11-25T12:00:00.000000Z"
