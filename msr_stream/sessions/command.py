"""Commands to a session: JSON on the command topic, keyed by the session, each with an id of its own."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import msgspec

from msr_stream import instants
from msr_stream.identity import Caller
from msr_stream.sessions.playback import Change


class Create(msgspec.Struct, frozen=True, tag="create"):
    """Begin a session."""


class Resume(msgspec.Struct, frozen=True, tag="resume"):
    """Go on with one that was not seen for too long."""


class Terminate(msgspec.Struct, frozen=True, tag="terminate"):
    """End it."""


class Play(msgspec.Struct, frozen=True, tag="playback"):
    """Change how it plays.

    Attributes:
        occ_lock: of the session that the client has seen.
    """

    change: Change
    occ_lock: int


class Tick(msgspec.Struct, frozen=True, tag="tick"):
    """The playhead has moved on by itself; buffered."""

    playhead: int


class Seen(msgspec.Struct, frozen=True, tag="seen"):
    """Its user has called; buffered."""


class Flush(msgspec.Struct, frozen=True, tag="flush"):
    """Write what is buffered."""


class Mark(msgspec.Struct, frozen=True, tag="mark"):
    """Note something at an instant."""

    instant: int
    text: str


class Bookmark(msgspec.Struct, frozen=True, tag="bookmark"):
    """Keep a moment with a title and a note."""

    instant: int
    title: str
    note: str = ""


class ChangeBookmark(msgspec.Struct, frozen=True, tag="change_bookmark"):
    """Say something else in a bookmark, or give it another place; what is not set stays."""

    bookmark_id: UUID
    instant: int | msgspec.UnsetType = msgspec.UNSET
    title: str | msgspec.UnsetType = msgspec.UNSET
    note: str | msgspec.UnsetType = msgspec.UNSET
    rank: float | msgspec.UnsetType = msgspec.UNSET

    def given(self) -> dict[str, Any]:
        """What it changes."""
        values = {name: getattr(self, name) for name in ("instant", "title", "note", "rank")}
        return {name: value for name, value in values.items() if value is not msgspec.UNSET}


class RemoveBookmark(msgspec.Struct, frozen=True, tag="remove_bookmark"):
    """Let a bookmark go."""

    bookmark_id: UUID


Deed = Create | Resume | Terminate | Play | Tick | Seen | Flush | Mark | Bookmark | ChangeBookmark | RemoveBookmark


class Command(msgspec.Struct, frozen=True):
    """One command.

    Attributes:
        id: applied once, however often it arrives.
        session_id: to which session.
        deed: what to do.
        user_id: who asks; empty: MSR itself.
        username: for people to read.
        tenant_id: the active tenant of who asks.
        at: when it was asked, by the clock of the worker that was called.
    """

    id: UUID
    session_id: UUID
    deed: Deed
    user_id: str
    username: str
    tenant_id: str
    at: int


def command(caller: Caller, session_id: UUID, deed: Deed) -> Command:
    """A new command of a caller."""
    return Command(uuid4(), session_id, deed, caller.user_id, caller.username, caller.tenant, instants.now())


def flush(session_id: UUID) -> Command:
    """A new command of MSR's own."""
    return Command(uuid4(), session_id, Flush(), "", "msr", "", instants.now())


def encode(item: Command) -> dict[str, Any]:
    """As the command topic carries it."""
    plain: dict[str, Any] = msgspec.to_builtins(item)
    return plain


def decode(value: object) -> Command:
    """A command from the topic.

    Raises:
        msgspec.ValidationError: it is none.
    """
    return msgspec.convert(value, Command)
