"""Runs: what was fetched of a CDC partition reaches the recorder as one message.

Faust delivers record by record, some 5,000 a second; a run at a time it is 150,000 (design, section 4).
Assignment, rebalancing, acknowledgement and commit stay Faust's. Written against faust-streaming 0.15.3.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from faust.transport.conductor import Conductor
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message
from faust.types.transports import ConsumerCallback

from msr_stream.errors import MsrError
from msr_stream.fetching import RunThread
from msr_stream.recording.feed import Delivery, Session
from msr_stream.recording.progress import Run, Shard

#: Whether a topic is read in runs.
IsCdc = Callable[[str], bool]


class RunConsumer(driver.Consumer):
    """Delivers a CDC partition's run as one message; the recorder's feed."""

    _thread: RunThread

    def _new_consumer_thread(self) -> RunThread:
        return RunThread(self, loop=self.loop, beacon=self.beacon)

    def is_cdc(self, topic: str) -> bool:
        """Whether a topic is read in runs."""
        is_cdc: IsCdc = self.app.is_cdc  # type: ignore[attr-defined]
        return is_cdc(topic)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """What was fetched: runs, and other topics' records one by one."""
        records, active_partitions = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            for fetched in records.values():
                if isinstance(fetched, tuple):
                    self.release(fetched[0])
            await self.perform_seek()
            return
        for tp, fetched in records.items():
            current = self.flow_active and self.app.consumer_generation_id == generation and tp in self.assignment()
            wanted = active_partitions is None or tp in active_partitions or tp in self._buffered_partitions
            if not current or not wanted:
                if isinstance(fetched, tuple):
                    self.release(fetched[0])  # dropped: the recorder will see the gap
                continue
            if isinstance(fetched, tuple):
                self._read_offset[tp] = None  # a session may go back; gaps are the recorder's to see
                yield tp, _message(tp, *fetched, generation)
            else:
                self._note_end(tp)
                for record in fetched:
                    yield tp, self._to_message(tp, record)

    def _note_end(self, tp: TP) -> None:
        end: int | None = self.highwater(tp)
        if end is not None:
            self.app.monitor.track_tp_end_offset(tp, end)

    def _new_offset(self, tp: TP) -> int | None:
        if not self.is_cdc(tp.topic):
            offset: int | None = super()._new_offset(tp)
            return offset
        acked = self._acked[tp]
        if not acked:
            return None
        # Runs are flushed in order, so the last one acknowledged ends what is in the database.
        last = max(acked)
        self._acked_index[tp].difference_update(acked)
        acked.clear()
        return int(last) + 1

    async def seek_session(self, shard: Shard, offset: int) -> Session:
        """Read a shard from this offset on, in a new session, as soon as the group has settled."""
        while True:
            session: Session | None = await self._thread.call_thread(self._thread.seek_session, shard, offset)
            if session is not None:
                return session
            await asyncio.sleep(0.1)

    def release(self, session: Session) -> None:
        """One more run of a session is done with."""
        self._thread.release(session)


def _message(tp: TP, session: Session, run: Run, generation: int) -> ConsumerMessage:
    last = run.records[-1] if run.records else None
    return ConsumerMessage(
        topic=tp.topic,
        partition=tp.partition,
        offset=run.next_offset - 1,
        timestamp=last.timestamp / 1000.0 if last else 0.0,
        timestamp_type=0,
        headers=[],
        key=None,
        value=Delivery(session, run),  # type: ignore[arg-type]
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        tp=tp,
        generation_id=generation,
    )


class RunConductor(Conductor):
    """Hands messages to the channels that want them; a run that none wants any more is dropped."""

    def _compile_message_handler(self) -> ConsumerCallback:
        async def on_message(message: Message) -> None:
            async with self._tp_to_callback_lock:
                callback = self._tp_to_callback.get(message.tp)
            if callback is not None:
                await callback(message)
            elif isinstance(message.value, Delivery):  # its topic went while it was fetched
                self.app.consumer.release(message.value.session)
            else:
                raise MsrError(f"a record of {message.tp} was fetched, which nothing here reads")

        return on_message


class Transport(driver.Transport):
    """Faust's aiokafka transport, with runs."""

    Consumer = RunConsumer
    Conductor = RunConductor
