"""Fetching of CDC partitions: in runs, within sessions.

Written against faust-streaming 0.15.3 and aiokafka 0.14.0, whose consumer thread and fetcher it reads:
`faust/transport/drivers/aiokafka.py` (`_fetch_records`), `aiokafka/consumer/fetcher.py` (`fetched_records`).

A CDC partition is fetched only within a *session*, which begins with a seek: the offset to read from is the
database's, never the broker's. Every run says where it was fetched from, so that nothing can be skipped unseen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from time import monotonic
from typing import Any, Protocol

from aiokafka.errors import CommitFailedError, ConsumerStoppedError, IllegalStateError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from msr_stream.errors import MsrError
from msr_stream.recording.feed import Session
from msr_stream.recording.progress import Run, Shard

#: How long the broker may wait for records of idle partitions, milliseconds. There is one request at a time: while it
#: waits, no other partition is read, also if all that was fetched of it has been recorded meanwhile (Faust's: 1,500).
FETCH_WAIT_MS = 100


class Reader(Protocol):
    """The consumer that a thread fetches for."""

    flow_active: bool

    def is_cdc(self, topic: str) -> bool:
        """Whether a topic is read in runs."""
        ...


class RunThread(driver.AIOKafkaConsumerThread):
    """The thread that owns the aiokafka consumer: fetches CDC partitions within their sessions."""

    consumer: Reader  # type: ignore[assignment]

    def __post_init__(self) -> None:
        super().__post_init__()
        self.sessions: dict[Shard, Session] = {}
        self._changed: asyncio.Event | None = None

    def assignment(self) -> set[TP]:
        """What is assigned, looked at once: asked twice, as aiokafka does, it may be gone the second time."""
        assigned = self._assigned()
        return {TP(*partition) for partition in assigned.tps} if assigned is not None else set()

    def highwater(self, tp: TP) -> int | None:  # type: ignore[override]
        """Where a partition's log ends, as far as was heard; looked at once likewise."""
        assigned = self._assigned()
        state = assigned.state_value(tp) if assigned is not None else None
        return state.highwater if state is not None else None

    def _assigned(self) -> Any:
        subscription = self._ensure_consumer()._subscription.subscription  # noqa: SLF001
        return subscription.assignment if subscription is not None else None

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's log of what seems to stand still reads this thread's state from another: metrics tell the lag."""

    def release(self, session: Session) -> None:
        """One more run of a session is done with; callable from any thread."""
        if not self.thread_loop.is_closed():
            self.thread_loop.call_soon_threadsafe(self._make_room, session)

    def _make_room(self, session: Session) -> None:
        session.outstanding -= 1
        self._look_again()

    def _look_again(self) -> None:
        if self._changed is not None:
            self._changed.set()

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001
        return consumer

    async def seek_session(self, shard: Shard, offset: int) -> Session | None:
        """Begin a session at an offset; runs in the thread. `None`: the partition is not assigned just now."""
        consumer, partition = self._ensure_consumer(), TopicPartition(*shard)
        if partition not in consumer.assignment():
            return None
        consumer.seek(partition, offset)
        session = self.sessions[shard] = Session(shard)
        self._look_again()
        return session

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek what is not CDC to the committed offsets; CDC partitions are sought by their recorders."""
        sought: Mapping[TP, int] = await self.call_thread(self._seek_others)
        return sought

    async def _seek_others(self) -> Mapping[TP, int]:
        consumer = self._ensure_consumer()
        others = [tp for tp in consumer.assignment() if not self.consumer.is_cdc(tp.topic)]
        try:
            return await consumer.seek_to_committed(*others) if others else {}
        except IllegalStateError as error:  # a rebalance came between; what it assigns is sought anew
            self.log.info("committed offsets not sought, the group is changing: %r", error)
            return {}

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Tell the broker how far we are; Faust's own would end the worker when a rebalance comes between."""
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        ours = {TopicPartition(*tp): OffsetAndMetadata(offset, "") for tp, offset in offsets.items() if tp in assigned}
        if not ours:
            return False
        try:
            await consumer.commit(ours)
        except (CommitFailedError, IllegalStateError) as error:
            self.log.info("offsets not committed, the group is changing: %r", error)
            return False
        self.tp_last_committed_at.update(dict.fromkeys(ours, monotonic()))
        return True

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Mapping[TP, Any]:
        if not self.consumer.flow_active:
            return {}
        fetcher = consumer._fetcher  # noqa: SLF001
        if consumer._closed or fetcher._closed:  # noqa: SLF001
            raise ConsumerStoppedError
        _check_alive(consumer)
        self._changed = self._changed or asyncio.Event()
        deadline = asyncio.get_running_loop().time() + (timeout or 0)
        with fetcher._subscriptions.fetch_context():  # noqa: SLF001
            while True:
                self._changed.clear()
                fetched = await self._drain(consumer, fetcher, active_partitions, max_records)
                left = deadline - asyncio.get_running_loop().time()
                if fetched or left <= 0 or not self.consumer.flow_active:
                    return fetched
                await self._wait(fetcher, left)

    async def _drain(
        self, consumer: Any, fetcher: Any, active_partitions: Iterable[TP], max_records: int | None
    ) -> dict[TP, Any]:
        """What is there now, without waiting: a CDC partition's as one (session, run)."""
        if fetcher._subscriptions.reassignment_in_progress:  # noqa: SLF001
            return {}
        assigned = consumer.assignment()
        wanted, sessions = [], {}
        for tp in tuple(active_partitions):  # Faust's own set, which the event loop's thread changes meanwhile
            if tp not in assigned:
                continue
            if not self.consumer.is_cdc(tp.topic):
                wanted.append(tp)
                continue
            session = self.sessions.get(Shard(tp.topic, tp.partition))
            if session is not None and session.outstanding < Session.LIMIT:
                wanted.append(tp)
                sessions[tp] = session
        if not wanted:
            return {}
        before = {tp: _position(fetcher, tp) for tp in sessions}
        fetched: dict[TP, Any] = dict(await fetcher.fetched_records(wanted, timeout=0, max_records=max_records))
        for tp, session in sessions.items():
            start, end = before[tp], _position(fetcher, tp)
            if start is not None and end is not None and end > start:
                session.outstanding += 1
                session.fetched_to = end
                fetched[tp] = session, Run(start, end, fetched.get(tp, ()))
        return fetched

    async def _wait(self, fetcher: Any, seconds: float) -> None:
        """Until something was fetched, a session has room again, or the time is over."""
        assert self._changed is not None
        waiter = fetcher._create_fetch_waiter()  # noqa: SLF001
        changed = asyncio.ensure_future(self._changed.wait())
        await asyncio.wait({waiter, changed}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        changed.cancel()
        if waiter.done():
            waiter.result()  # raises authorization errors
        else:
            waiter.cancel()


def _check_alive(consumer: Any) -> None:
    """A task of aiokafka's that has ended is missed by those alone who wait for it, for ever: better begin anew.

    Raises:
        MsrError: one has ended.
    """
    tasks = {"metadata": consumer._client._sync_task, "the group": consumer._coordinator._coordination_task}  # noqa: SLF001
    for what, task in tasks.items():
        if task is not None and task.done():
            why = None if task.cancelled() else task.exception()
            raise MsrError(f"nobody looks after {what} any more in the broker's client: {why!r}")


def _position(fetcher: Any, tp: TP) -> int | None:
    """Where the partition is read next; unchanged between here and a fetch that does not wait."""
    assignment = fetcher._subscriptions.subscription.assignment  # noqa: SLF001
    state = assignment.state_value(tp) if assignment is not None else None
    return state.position if state is not None and state.has_valid_position else None
