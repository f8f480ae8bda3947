"""A replay session as it is stored, kept by its owner and answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from msr_stream import instants
from msr_stream.sessions.playback import Playback

ACTIVE, INACTIVE = "ACTIVE", "INACTIVE"


class Session(msgspec.Struct, frozen=True):
    """One session; instants are microseconds since 1970.

    Attributes:
        user_id: whose it is.
        occ_lock: raised by every command.
        ended_reason: why it is inactive: `terminated` or `unseen`.
        ticked_at: when the playhead was where it is.
    """

    id: UUID
    user_id: str
    username: str
    tenant_id: str
    status: str
    occ_lock: int
    last_seen_at: int
    created_at: int
    updated_at: int
    created_by: str
    updated_by: str
    playback: Playback = msgspec.field(default_factory=Playback)
    ended_reason: str | None = None
    ticked_at: int | None = None

    @property
    def active(self) -> bool:
        """Whether it takes commands."""
        return self.status == ACTIVE

    def view(self) -> dict[str, Any]:
        """The contract's Session, with what is ours beside."""
        updated_at = instants.render(self.updated_at)
        return {
            "id": str(self.id),
            "user_id": self.user_id,
            "username": self.username,
            "tenant_id": self.tenant_id,
            "status": self.status,
            "ended_reason": self.ended_reason,
            "occ_lock": self.occ_lock,
            "last_seen_at": instants.render(self.last_seen_at),
            "created_at": instants.render(self.created_at),
            "updated_at": updated_at,
            "update_at": updated_at,
            "created_by": self.created_by,
            "updated_by": self.updated_by,
            "playback": self.playback.view(),
        }


def from_row(row: Mapping[str, Any]) -> Session:
    """A session from its row."""
    values = {name: row[name] for name in Session.__struct_fields__ if name != "playback"}
    return Session(**values, playback=msgspec.json.decode(row["playback"], type=Playback))
