"""Places in a live stream: an event's id says where to go on, exactly; and what is told next."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msr_stream.errors import BadRequest
from msr_stream.instants import MINUTE
from msr_stream.live import Late, Part, Place, Spot, next_part

LATE = Place(Spot(50), (Late(Spot(10, 3), frozenset({7})), Late(Spot(20), frozenset({1, 2, 3, 9, 11, 12}))))


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (Place(Spot(0)), "0"),
        (Place(Spot(1_795_000_000_000_000)), "1795000000000000"),
        (Place(Spot(17, 1)), "17.1"),
        (Place(Spot(17, 999_999_999)), "17.999999999"),
        (LATE, "50;10.3:7;20:1-3,9,11-12"),
    ],
)
def test_a_place_is_read_as_it_was_written(place: Place, text: str) -> None:
    assert str(place) == text
    assert Place.parse(text) == place


@pytest.mark.parametrize(
    "text",
    ["", "x", "-1", "1.", ".1", "1.x", "1.2.3", "1.-2", "9" * 30, "1." + "9" * 12, "\u0661", "1;", "1;2", "1;2:",
     "1;2:3,", "1;2:3-", "1;2:x", ";2:3", "1;2:3-2", "1;2:0-999999999"],
)  # fmt: skip
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="Last-Event-ID"):
        Place.parse(text)


def told(place: Place, settled: int, own: dict[int, int], length: int = 1_000) -> tuple[Place, list[Part]]:
    """All that can be told, part by part, and the place then."""
    parts: list[Part] = []
    while True:
        place, part = next_part(place, settled, own, length)
        if part is None:
            return place, parts
        parts.append(part)
        assert len(parts) < 50
        place = place.told(part.front, Spot(part.end))


def test_with_all_shards_settled_the_past_is_told_a_length_at_a_time() -> None:
    place, parts = told(Place(Spot(0)), 25, {}, 10)
    assert parts == [Part(None, Spot(0), 10), Part(None, Spot(10), 20), Part(None, Spot(20), 25)]
    assert place == Place(Spot(25))


def test_a_shard_that_is_not_settled_stays_where_it_is_and_holds_nobody_up() -> None:
    """The others are told with it up to its own settled instant, then without it."""
    place, parts = told(Place(Spot(0)), 100, {7: 40})
    assert parts == [Part(None, Spot(0), 40), Part(None, Spot(40), 100)]
    assert place == Place(Spot(100), (Late(Spot(40), frozenset({7})),))
    assert told(place, 100, {7: 40}) == (place, [])


def test_what_comes_late_is_told_once_it_is_settled() -> None:
    """Up to what is settled of all the late ones; those that are back up to S: then they are like all others."""
    place = Place(Spot(100), (Late(Spot(40), frozenset({7, 8})),))
    place, parts = told(place, 100, {7: 60, 8: 70})
    assert parts == [Part(0, Spot(40), 60)]
    place, parts = told(place, 120, {7: 60})
    assert parts == [Part(None, Spot(100), 120), Part(0, Spot(60), 120)]
    assert place == Place(Spot(120), (Late(Spot(60), frozenset({7})),))
    place, parts = told(place, 130, {}, 50)
    assert parts == [Part(None, Spot(120), 130), Part(0, Spot(60), 110), Part(0, Spot(110), 130)]
    assert place == Place(Spot(130))


def test_an_instant_is_told_to_its_end_before_anything_else() -> None:
    """By the shards that its beginning was told of: only so do the numbers of its events hold."""
    place = Place(Spot(50, 2), (Late(Spot(20, 1), frozenset({7})),))
    found, parts = told(place, 60, {7: 20, 8: 50})
    assert parts == [Part(None, Spot(50, 2), 50), Part(0, Spot(20, 1), 20), Part(None, Spot(50), 60)]
    assert found == Place(Spot(60), (Late(Spot(20), frozenset({7})), Late(Spot(50), frozenset({8}))))


def test_where_nothing_was_settled_before_a_listener_came_it_is_told_from_there_on() -> None:
    place, parts = told(Place(Spot(50)), 60, {7: 0})
    assert parts == [Part(None, Spot(50), 60)]
    assert place.late == (Late(Spot(50), frozenset({7})),)


class Log:
    """A shard: its events' instants, how far it is settled, and whether it holds the others up."""

    def __init__(self) -> None:
        self.events: list[int] = []
        self.settled = 0
        self.live = True


class Client:
    """A listener that breaks off anywhere, and goes on by the id of what it was told last."""

    def __init__(self, logs: dict[int, Log]) -> None:
        self.logs, self.place = logs, Place(Spot(0))
        self.told: list[tuple[int, int]] = []

    @property
    def settled(self) -> int:
        """S."""
        return min(log.settled for log in self.logs.values() if log.live)

    def listen(self, length: int, patience: int) -> None:
        """Be told what is settled, but leave after so many events."""
        settled = self.settled
        own = {n: log.settled for n, log in self.logs.items() if not log.live and log.settled < settled}
        while True:
            self.place, part = next_part(self.place, settled, own, length)
            if part is None:
                return
            late = self.place.late_shards
            shards = self.logs.keys() - late if part.front is None else self.place.late[part.front].shards
            after, spot = part.after, Spot(-1)
            found = sorted((at, n) for n in shards for at in self.logs[n].events)
            for at, number in found:
                if not after.instant - (after.seen is not None) < at <= part.end:
                    continue
                spot = spot.following(at)
                if at == after.instant and (spot.seen or 0) <= (after.seen or 0):
                    continue
                self.told.append((number, at))
                patience -= 1
                if patience == 0:
                    self.place = Place.parse(str(self.place.told(part.front, spot)))
                    return
            self.place = self.place.told(part.front, Spot(part.end))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_each_event_is_told_once_and_in_its_shards_order(data: st.DataObject) -> None:
    """Whoever is silent when, however late it is back, wherever the stream breaks off."""
    logs = {number: Log() for number in (1, 2, 3, 4)}
    client = Client(logs)
    for _ in range(data.draw(st.integers(1, 12))):
        for log in logs.values():
            begin = max(log.settled, *log.events, 0)
            log.events += sorted(
                data.draw(st.lists(st.integers(begin + (begin == log.settled), begin + 2), max_size=4))
            )
            if log.live or data.draw(st.booleans()):
                log.settled += data.draw(st.integers(0, 3))
        for number in (2, 3, 4):  # the first one always lives
            log = logs[number]
            log.live = log.settled >= client.settled if not log.live else data.draw(st.booleans())
        client.listen(data.draw(st.integers(1, 9)), data.draw(st.integers(1, 4)))
    end = max(at for log in logs.values() for at in (log.settled, *log.events))
    for log in logs.values():
        log.settled, log.live = end, True
    client.listen(1_000, -1)
    assert client.place == Place(Spot(end))
    for number, log in logs.items():
        assert [at for which, at in client.told if which == number] == log.events


def test_what_retention_has_taken_is_not_asked_for() -> None:
    assert LATE.not_before(15).late == (Late(Spot(15), frozenset({7})), LATE.late[1])


def test_events_of_an_instant_are_numbered() -> None:
    spot, found = Spot(0), []
    for instant in (5, 5, 6, 5 * MINUTE):
        spot = spot.following(instant)
        found.append(spot)
    assert found == [Spot(5, 1), Spot(5, 2), Spot(6, 1), Spot(5 * MINUTE, 1)]
