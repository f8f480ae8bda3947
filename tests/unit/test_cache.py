"""What is known of entities is bounded, and never invented."""

from __future__ import annotations

import pytest

from msr_stream.recording.cache import NEVER, EntityCache, Known

ALIVE = Known(live=True, tenant="t1")


def _filled(count: int, *, limit: int = 10, complete: bool = False) -> EntityCache:
    cache = EntityCache(limit, complete=complete)
    for number in range(count):
        cache.put(("s.t", str(number)), ALIVE)
    return cache


def test_what_was_put_is_found() -> None:
    assert _filled(1).get(("s.t", "0")) == ALIVE


def test_the_newest_is_what_counts() -> None:
    cache = _filled(1)
    cache.put(("s.t", "0"), Known(live=False, tenant="t2"))
    assert cache.get(("s.t", "0")) == Known(live=False, tenant="t2")


def test_what_it_does_not_know_must_be_asked() -> None:
    assert _filled(1).get(("s.t", "other")) is None
    assert _filled(1).get(("s.u", "0")) is None


def test_a_shard_that_was_empty_at_first_has_nothing_it_does_not_know() -> None:
    assert _filled(1, complete=True).get(("s.t", "other")) is NEVER


@pytest.mark.parametrize("count", [10, 100, 1000])
def test_it_never_holds_more_than_its_limit(count: int) -> None:
    assert len(_filled(count)) <= 10 + 1


@pytest.mark.parametrize("count", [12, 100, 1000])
def test_once_something_was_dropped_it_is_not_complete_any_more(count: int) -> None:
    cache = _filled(count, complete=True)
    assert cache.get(("s.t", "0")) is None
    assert not cache.complete


@pytest.mark.parametrize("count", range(30))
def test_a_complete_cache_knows_every_entity_it_was_given(count: int) -> None:
    cache = _filled(count, complete=True)
    found = [cache.get(("s.t", str(number))) for number in range(count)]
    assert NEVER not in found


@pytest.mark.parametrize("count", range(30))
def test_reading_forgets_no_entity_as_if_it_never_was(count: int) -> None:
    """A read moves an entity to the young generation, which may end the old one."""
    cache = _filled(count, complete=True)
    for _ in range(3):
        for number in range(count):
            assert cache.get(("s.t", str(number))) is not NEVER


def test_what_is_used_stays() -> None:
    cache = _filled(1)
    for number in range(1, 100):
        cache.put(("s.t", str(number)), ALIVE)
        assert cache.get(("s.t", "0")) == ALIVE
