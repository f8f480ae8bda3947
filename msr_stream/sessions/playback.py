"""Where a session's viewer is, and how it plays. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from msr_stream import instants

#: Fields of a playback that a command may change, each with the word for doing so.
WORDS = {"playhead": "seek", "speed": "speed", "window": "window", "filters": "filters"}


class Window(msgspec.Struct, frozen=True):
    """What is looped or buffered, from one instant to another."""

    start: int
    end: int


class Playback(msgspec.Struct, frozen=True):
    """How a session plays.

    Attributes:
        playing: whether the playhead moves.
        playhead: the instant shown; `None`: not chosen yet.
        speed: replayed seconds a second; negative: backwards.
        window: from where to where.
        filters: what is left out, as the client understands it.
    """

    playing: bool = False
    playhead: int | None = None
    speed: float = 1.0
    window: Window | None = None
    filters: dict[str, Any] | None = None

    def view(self) -> dict[str, Any]:
        """As it is answered."""
        return {
            "status": "playing" if self.playing else "paused",
            "playhead": _rendered(self.playhead),
            "speed": self.speed,
            "window": {"start": _rendered(self.window.start), "end": _rendered(self.window.end)}
            if self.window
            else None,
            "filters": self.filters,
        }


class Change(msgspec.Struct, frozen=True):
    """What a command changes; what is not set stays."""

    playing: bool | msgspec.UnsetType = msgspec.UNSET
    playhead: int | msgspec.UnsetType = msgspec.UNSET
    speed: float | msgspec.UnsetType = msgspec.UNSET
    window: Window | msgspec.UnsetType | None = msgspec.UNSET
    filters: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET

    def apply(self, playback: Playback) -> Playback:
        """The playback after it."""
        return msgspec.structs.replace(playback, **self._given())

    @property
    def kind(self) -> str:
        """The one word for it on the timeline: play, pause, seek, …, or `playback` if it is several things."""
        given = self._given()
        if len(given) != 1:
            return "playback"
        [(name, value)] = given.items()
        if name == "playing":
            return "play" if value else "pause"
        return WORDS[name]

    def detail(self) -> dict[str, Any]:
        """What it changes, as the timeline shows it."""
        after = self.apply(Playback()).view()
        names = {"playing": "status"}
        return {names.get(name, name): after[names.get(name, name)] for name in self._given()}

    def _given(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in values.items() if value is not msgspec.UNSET}


def _rendered(instant: int | None) -> str | None:
    return None if instant is None else instants.render(instant)
