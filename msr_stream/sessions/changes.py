"""What commands make of a session. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from msr_stream import instants
from msr_stream.sessions import command as c
from msr_stream.sessions.session import INACTIVE, Session


def changed(session: Session, item: c.Command) -> Session:
    """The session after a command; its `occ_lock` is the database's to raise."""
    if isinstance(item.deed, c.Play):
        ticked_at = item.at if item.deed.change.playhead is not msgspec.UNSET else session.ticked_at
        playback = item.deed.change.apply(session.playback)
        return msgspec.structs.replace(session, playback=playback, ticked_at=ticked_at)
    if isinstance(item.deed, c.Terminate):
        return msgspec.structs.replace(session, status=INACTIVE, ended_reason="terminated")
    return session


def entry(item: c.Command) -> tuple[str, dict[str, Any]]:
    """A command as the timeline shows it: its kind, and what it changed."""
    deed = item.deed
    if isinstance(deed, c.Play):
        return deed.change.kind, deed.change.detail()
    if isinstance(deed, c.Mark):
        return "mark", {"instant": instants.render(deed.instant), "text": deed.text}
    if isinstance(deed, c.Bookmark):
        about = {"instant": instants.render(deed.instant), "title": deed.title, "note": deed.note}
        return "bookmark", {"bookmark_id": str(item.id), **about}
    if isinstance(deed, c.ChangeBookmark):
        given = deed.given()
        moment = {"instant": instants.render(given.pop("instant"))} if "instant" in given else {}
        return "change_bookmark", {"bookmark_id": str(deed.bookmark_id), **moment, **given}
    if isinstance(deed, c.RemoveBookmark):
        return "remove_bookmark", {"bookmark_id": str(deed.bookmark_id)}
    return type(deed).__name__.lower(), {}
