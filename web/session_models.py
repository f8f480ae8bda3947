"""Bodies and answers of the session routes."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, model_validator

from msr_stream.errors import BadRequest
from msr_stream.sessions import command as c
from msr_stream.sessions.playback import Change, Window
from web.models import Json, Moment, Request, Time


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


#: What is not sent is not changed: there is no default to tell of.
_optional = Field(json_schema_extra=_without_default)


def _not_zero(speed: float) -> float:
    if speed == 0:
        raise ValueError("wants a speed other than 0: pause instead")
    return speed


class WindowBody(Request):
    """From where to where."""

    start: Moment
    end: Moment

    @model_validator(mode="after")
    def _ordered(self) -> WindowBody:
        if self.end < self.start:
            raise ValueError("the window ends before it starts")
        return self


class PlaybackBody(Request):
    """What changes; what is not sent stays. The playhead alone, without `occ_lock`, is a tick of playing."""

    occ_lock: int | None = None
    status: Annotated[Literal["playing", "paused"], _optional] = "paused"
    playhead: Annotated[Moment, _optional] = 0
    speed: Annotated[float, Field(ge=-3600, le=3600, allow_inf_nan=False), AfterValidator(_not_zero), _optional] = 1.0
    window: Annotated[WindowBody | None, _optional] = None
    filters: Annotated[Json | None, _optional] = None

    def deed(self) -> c.Deed:
        """The command it asks for.

        Raises:
            BadRequest: nothing changes, or `occ_lock` is missing.
        """
        sent = self.model_fields_set - {"occ_lock"}
        if sent == {"playhead"} and self.occ_lock is None:
            return c.Tick(self.playhead)
        if not sent:
            raise BadRequest("nothing to change: send one of status, playhead, speed, window, filters")
        if self.occ_lock is None:
            raise BadRequest("occ_lock is required: the one of the session that you have seen")
        return c.Play(self._change(sent), self.occ_lock)

    def _change(self, sent: set[str]) -> Change:
        values: dict[str, Any] = {name: getattr(self, name) for name in sent & {"playhead", "speed", "filters"}}
        if "status" in sent:
            values["playing"] = self.status == "playing"
        if "window" in sent:
            values["window"] = Window(self.window.start, self.window.end) if self.window else None
        return Change(**values)


class BookmarkBody(Request):
    """A moment worth keeping."""

    timestamp: Moment
    title: Annotated[str, Field(min_length=1, max_length=200)]
    note: Annotated[str, Field(max_length=10_000)] = ""


class BookmarkChangeBody(Request):
    """What changes of a bookmark; what is not sent stays. Smaller ranks come first."""

    timestamp: Annotated[Moment, _optional] = 0
    title: Annotated[str, Field(min_length=1, max_length=200), _optional] = ""
    note: Annotated[str, Field(max_length=10_000), _optional] = ""
    rank: Annotated[float, Field(allow_inf_nan=False), _optional] = 0.0

    def deed(self, bookmark_id: UUID) -> c.ChangeBookmark:
        """The command it asks for.

        Raises:
            BadRequest: nothing changes.
        """
        given = {name: getattr(self, name) for name in self.model_fields_set}
        if not given:
            raise BadRequest("nothing to change: send one of timestamp, title, note, rank")
        if "timestamp" in given:
            given["instant"] = given.pop("timestamp")
        return c.ChangeBookmark(bookmark_id, **given)


class MarkBody(Request):
    """Something to note at a moment."""

    timestamp: Moment
    text: Annotated[str, Field(min_length=1, max_length=10_000)]


class PlaybackView(BaseModel):
    """How a session plays."""

    status: Literal["playing", "paused"]
    playhead: Time | None
    speed: float
    window: Json | None
    filters: Json | None


class SessionView(BaseModel):
    """A session."""

    id: UUID
    user_id: str
    username: str
    tenant_id: str
    status: Literal["ACTIVE", "INACTIVE"]
    ended_reason: Literal["terminated", "unseen"] | None
    occ_lock: int
    last_seen_at: Time
    created_at: Time
    updated_at: Time
    update_at: Time
    created_by: str
    updated_by: str
    playback: PlaybackView


class BookmarkView(BaseModel):
    """A bookmark."""

    id: UUID
    session_id: UUID
    timestamp: Time
    title: str
    note: str
    rank: float
    created_at: Time
    created_by: str


class SessionWithBookmarks(SessionView):
    """A session with its bookmarks."""

    bookmarks: list[BookmarkView]


class EntryView(BaseModel):
    """What happened in a session."""

    number: int
    command_id: UUID
    kind: str
    detail: Json
    created_at: Time
    created_by: str
