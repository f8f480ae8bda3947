"""How CDC partitions are fetched."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.types import TP

from msr_stream.fetching import FETCH_WAIT_MS, RunThread
from msr_stream.recording.feed import Session
from msr_stream.recording.progress import Shard

A, B = TP("d.s.t", 0), TP("d.s.t", 1)


def run_thread(**attributes: Any) -> Any:
    """A thread that has not been started, with these attributes."""
    thread = RunThread.__new__(RunThread)
    thread.__dict__ |= {"sessions": {}, "_changed": None} | attributes
    return thread


async def test_idle_partitions_do_not_hold_up_busy_ones_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one request to a broker at a time, and it may wait as long as Faust says: 1.5 s."""
    faust_s = AIOKafkaConsumer(fetch_max_wait_ms=1500)
    assert faust_s._fetch_max_wait_ms == 1500, "aiokafka calls it otherwise now"

    def created(*_: Any) -> AIOKafkaConsumer:
        return faust_s

    monkeypatch.setattr(AIOKafkaConsumerThread, "_create_worker_consumer", created)
    consumer = RunThread.__new__(RunThread)._create_worker_consumer(None)
    assert consumer is faust_s
    assert consumer._fetch_max_wait_ms == FETCH_WAIT_MS <= 100
    await faust_s.stop()


async def test_partitions_that_go_while_they_are_gone_through_end_no_fetch() -> None:
    """The set is Faust's: its thread takes partitions out of it in a rebalance, at any moment."""
    active = {A, B}

    def changed(_: str) -> bool:
        active.discard(A)
        active.discard(B)
        return True

    async def fetched_records(*_: Any, **__: Any) -> Mapping[TP, Any]:
        return {}

    thread = run_thread(consumer=SimpleNamespace(is_cdc=changed))
    subscriptions = SimpleNamespace(reassignment_in_progress=False)
    fetcher = SimpleNamespace(_subscriptions=subscriptions, fetched_records=fetched_records)
    assert await thread._drain(SimpleNamespace(assignment=lambda: {A, B}), fetcher, active, None) == {}
    assert active == set()


class Subscription:
    """One whose assignment goes once it was looked at, as another thread may make it."""

    looks = 0

    @property
    def assignment(self) -> Any:
        """What is assigned, the first time."""
        self.looks += 1
        states = {A: SimpleNamespace(highwater=7)}
        return SimpleNamespace(tps={A}, state_value=states.get) if self.looks == 1 else None


@pytest.mark.parametrize(
    ("look", "seen"),
    [(lambda thread: thread.assignment(), [{A}, set()]), (lambda thread: thread.highwater(A), [7, None])],
)
def test_an_assignment_that_goes_while_it_is_looked_at_is_one_or_none(
    look: Callable[[Any], Any], seen: list[Any]
) -> None:
    consumer = SimpleNamespace(_subscription=SimpleNamespace(subscription=Subscription()))
    thread = run_thread(_ensure_consumer=lambda: consumer)
    assert [look(thread), look(thread)] == seen


async def test_room_is_made_in_the_thread_that_takes_it() -> None:
    """Two threads that count in one number may lose a step, and a shard that has no room is never read again."""
    writers: list[int] = []

    class Watched(Session):
        def __setattr__(self, name: str, value: Any) -> None:
            writers.append(threading.get_ident())
            super().__setattr__(name, value)

    session, changed = Watched(Shard(*A)), asyncio.Event()
    session.outstanding = Session.LIMIT
    writers.clear()
    thread = run_thread(thread_loop=asyncio.get_running_loop(), _changed=changed)
    await asyncio.to_thread(thread.release, session)
    await asyncio.wait_for(changed.wait(), 60)
    assert session.outstanding == Session.LIMIT - 1
    assert writers == [threading.get_ident()]


async def test_a_session_knows_how_far_it_was_fetched() -> None:
    """By that a run that is lost is told from one that has not been fetched yet."""
    state, session = SimpleNamespace(position=3, has_valid_position=True), Session(Shard(*A))

    async def fetched_records(*_: Any, **__: Any) -> Mapping[TP, Any]:
        state.position = 7
        return {A: ["a record"]}

    assignment = SimpleNamespace(state_value=lambda _: state)
    subscriptions = SimpleNamespace(reassignment_in_progress=False, subscription=SimpleNamespace(assignment=assignment))
    fetcher = SimpleNamespace(_subscriptions=subscriptions, fetched_records=fetched_records)
    thread = run_thread(consumer=SimpleNamespace(is_cdc=lambda _: True), sessions={Shard(*A): session})
    fetched = await thread._drain(SimpleNamespace(assignment=lambda: {A}), fetcher, {A}, None)
    assert fetched[A] == (session, (3, 7, ["a record"]))
    assert session.fetched_to == 7
