"""Messages of topics that go while they are being read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from agents.notifications import snapshot_notifications
from agents.recorder import assigned
from msr_stream.app import KeptTopic, MsrApp, app
from msr_stream.errors import MsrError
from msr_stream.recording.feed import Delivery, Session
from msr_stream.recording.progress import Run, Shard
from msr_stream.transport import RunConductor

GONE = TP("d.s.t", 0)


class Released:
    """A consumer that notes which sessions get room again."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []

    def release(self, session: Session) -> None:
        """One more run of a session is done with."""
        self.sessions.append(session)


@pytest.fixture
def conductor() -> Any:
    """A conductor that no topic has a channel in."""
    return RunConductor(SimpleNamespace(consumer=Released(), client_only=False))  # type: ignore[arg-type]


def test_a_worker_has_such_a_conductor() -> None:
    assert isinstance(app.topics, RunConductor)


async def test_a_run_whose_topic_is_gone_is_dropped_and_its_session_has_room_again(conductor: Any) -> None:
    session = Session(Shard(*GONE))
    await conductor.on_message(SimpleNamespace(tp=GONE, value=Delivery(session, Run(0, 1, ()))))
    assert conductor.app.consumer.sessions == [session]


async def test_what_a_channel_wants_reaches_it(conductor: Any) -> None:
    reached: list[Any] = []

    async def channel(message: Any) -> None:
        reached.append(message.value)

    conductor._tp_to_callback[GONE] = channel
    await conductor.on_message(SimpleNamespace(tp=GONE, value="a value"))
    assert reached == ["a value"]


async def test_no_other_record_is_dropped(conductor: Any) -> None:
    with pytest.raises(MsrError, match="which nothing here reads"):
        await conductor.on_message(SimpleNamespace(tp=GONE, value=b"a command"))


async def test_what_waits_for_its_agent_outlasts_the_recovery_of_tables() -> None:
    """Faust empties queues when that ends: of a run that was in one nobody would know until the shard's next run."""
    worker = MsrApp("msr-unit", msr=app.msr)
    given = worker.topic("fausts"), worker.cdc_channel(), worker.kept_topic("ours")
    channels = [channel.clone(is_iterator=True) for channel in given]
    for channel in channels:
        channel.queue.put_nowait("a message")
    worker.flow_control.resume()
    assert [channel.queue.qsize() for channel in channels] == [0, 1, 1]


def test_so_do_notifications_of_snapshots() -> None:
    assert isinstance(snapshot_notifications.channel, KeptTopic)


async def test_what_waits_for_its_agent_is_its_next_owners_once_partitions_are_revoked() -> None:
    worker = MsrApp("msr-unit", msr=app.msr)
    channel = worker.cdc_channel().clone(is_iterator=True)
    channel.queue.put_nowait("a run")
    await worker.on_partitions_revoked.send({GONE})
    assert channel.queue.empty()


async def test_a_topic_that_is_gone_is_never_read_record_by_record() -> None:
    """The group gives it back later than discovery sees it go: a record of it would end the recorder's agent."""
    worker = MsrApp("msr-unit", msr=app.msr)
    worker.runtime = SimpleNamespace(recorder=SimpleNamespace(partitions={}))  # type: ignore[assignment]
    await worker._on_topics({GONE.topic: 1})
    await worker._on_topics({})
    assert worker.cdc_topics == []
    assert worker.is_cdc(GONE.topic)
    assert not worker.is_cdc("msr-commands")


async def test_of_a_topic_that_is_gone_nothing_is_recorded() -> None:
    """The group may still give it; asking for the ends of its logs would go on until it is back."""
    given: list[Shard] = []
    recorder = SimpleNamespace(assign=given.extend)
    worker = SimpleNamespace(runtime=SimpleNamespace(recorder=recorder), cdc_topics=["d.s.u"])
    await assigned(worker, {GONE, TP("d.s.u", 1)})
    assert given == [Shard("d.s.u", 1)]
