"""Records one shard: opened from the database's progress, then run after run, each in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from msr_stream import faults, logs
from msr_stream.errors import ShardMoved, TopicStopped
from msr_stream.recording.applying import Applier
from msr_stream.recording.deriving import Deriver
from msr_stream.recording.event import OldKey, OldState
from msr_stream.recording.feed import Delivery, Session
from msr_stream.recording.flushing import Flusher
from msr_stream.recording.opening import Opened, Opener, Reopen, is_another
from msr_stream.recording.progress import Progress, Run, Shard
from msr_stream.records.change import Command, Decoded

log = logs.get(__name__)


class ShardRecorder:
    """Everything about one owned shard.

    While a run is being flushed the next one is decoded; it is derived only once the outcome is known.

    Attributes:
        shard: which one.
        deriver: derives its batches.
        progress: its progress as last read or written; `None` until it is open.
        commands: over whole tables, that it has still to apply.
        lock: held while a run is being recorded, and by whoever settles an idle shard.
    """

    def __init__(
        self, shard: Shard, opener: Opener, deriver: Deriver, on_letters: Callable[[int], Awaitable[None]]
    ) -> None:
        self.shard = shard
        self.deriver = deriver
        self.progress: Progress | None = None
        self.lock = asyncio.Lock()
        self._opener = opener
        self._on_letters = on_letters
        self._flusher = Flusher(shard, opener.database, opener.history, deriver, on_letters)
        self._opened: Opened | None = None
        self._session: Session | None = None
        self._queue: asyncio.Queue[Delivery | Reopen] = asyncio.Queue()
        self._next_fetch = 0
        self._flushing: asyncio.Task[Progress] | None = None
        self._delivered: Delivery | None = None
        self.commands = Applier(shard, opener.database, deriver)

    def take(self, delivery: Delivery) -> None:
        """Queue a run; one of an earlier session is refused: it will be read again."""
        if delivery.session is self._session:
            self._queue.put_nowait(delivery)

    @property
    def idle(self) -> bool:
        """Whether it is open, and nothing is queued, being recorded or being flushed."""
        busy = self._flushing is not None or not self._queue.empty() or self.lock.locked()
        return self.progress is not None and not busy

    @property
    def awaited(self) -> tuple[Session, int] | None:
        """What an idle shard waits for, its session and the offset, if it was fetched: on its way, or lost."""
        session = self._session
        if session is None or session.fetched_to <= self._next_fetch or not self.idle:
            return None
        return session, self._next_fetch

    def doubt(self, reason: str) -> None:
        """The log or the progress may not be what they were: open the shard again, which finds out."""
        self._queue.put_nowait(Reopen(reason))

    def settled(self, version: int, settled_until: int) -> None:
        """Take note that the idle shard's settled instant was raised."""
        assert self.progress is not None
        self.progress = msgspec.structs.replace(self.progress, version=version, settled_until=settled_until)

    async def apply_until(self, instant: int) -> bool:
        """Apply the commands up to an instant, held and idle; whether nothing is left that holds settled time back.

        Everything that was committed at the source up to the instant is recorded.
        """
        assert self.progress is not None
        try:
            self.progress = await self.commands.apply_until(self.progress, instant)
        except ShardMoved:
            self.doubt("somebody else has written the shard")
            return False
        return True

    async def run(self) -> None:
        """Record until cancelled; the shard is opened again whenever its progress is no longer certain."""
        while True:
            try:
                await self._open()
                await self._record_runs()
            except (ShardMoved, Reopen) as reason:
                log.info("reading the shard's progress again", shard=str(self.shard), reason=str(reason))
                if isinstance(reason, Reopen) and reason.made_anew and self.progress is not None:
                    await self._opener.made_anew(self.shard, self.progress)
            except TopicStopped as reason:
                await self._stop_topic(str(reason))
            finally:
                self._close()
            await asyncio.sleep(0.05)

    async def finish(self, limit: float) -> None:
        """Let the flush under way end, for at most so many seconds, before the shard is given up."""
        if self._flushing is not None:
            await asyncio.wait({self._flushing}, timeout=limit)

    async def _stop_topic(self, reason: str) -> None:
        log.error("topic stopped", topic=self.shard.topic, reason=reason)
        history = self._opener.history
        await self._opener.database.retry("stop topic", lambda: history.stop_topic(self.shard.topic, reason))

    def _close(self) -> None:
        self._session = self.progress = self._delivered = None
        self._queue = asyncio.Queue()
        if self._flushing is not None:
            self._flushing.add_done_callback(lambda flush: flush.cancelled() or flush.exception())
            self._flushing.cancel()
            self._flushing = None

    async def _open(self) -> None:
        opened = self._opened = await self._opener.open(self.shard)
        self.deriver.begin(empty=opened.progress.last_position == 0)
        self._next_fetch = opened.seek_to
        self._session = await self._opener.feed.seek(self.shard, opened.seek_to)
        self.progress, self.commands.due = opened.progress, opened.commands
        await self._on_letters(opened.progress.shard_id)

    async def _record_runs(self) -> None:
        while True:
            delivery = await self._next_delivery()
            records = self._check(delivery.run)
            decoded, _ = await asyncio.gather(self.deriver.decode(records), self._check_topic())
            async with self.lock:
                await self._end_flush()
                await self._record(decoded, records, delivery)

    async def _next_delivery(self) -> Delivery:
        """The next run; a flush that ends before it comes is seen to at once."""
        getting = asyncio.ensure_future(self._queue.get())
        try:
            if self._flushing is not None:
                await asyncio.wait({getting, self._flushing}, return_when=asyncio.FIRST_COMPLETED)
                if not getting.done():
                    async with self.lock:
                        await self._end_flush()
            delivery = await getting
            if isinstance(delivery, Reopen):
                raise delivery
            return delivery
        finally:
            getting.cancel()

    def _check(self, run: Run) -> Sequence[Any]:
        """The run's records that are not recorded yet.

        Raises:
            Reopen: it does not follow the run before it, or the log is not the one that was recorded.
        """
        assert self.progress is not None
        assert self._opened is not None
        if run.fetched_from != self._next_fetch:
            raise Reopen(f"a gap: fetched from {run.fetched_from}, wanted from {self._next_fetch}")
        self._next_fetch = run.next_offset
        if not self._opened.verified and run.records:
            first = run.records[0]
            if first.offset == self.progress.record_offset and not self.progress.is_last_record(first):
                raise Reopen("the record flushed last is another one now", made_anew=True)
            self._opened.verified = True
            self.deriver.follow(first)
        first_wanted = self.progress.next_offset
        if not run.records or run.records[0].offset >= first_wanted:
            return run.records
        return [record for record in run.records if record.offset >= first_wanted]

    async def _check_topic(self) -> None:
        """The same id, asked for after the run was fetched, proves that it came from the log that was recorded.

        Raises:
            Reopen: the topic was made anew.
        """
        assert self.progress is not None
        ids = await self._opener.feed.topic_ids([self.shard.topic])
        if is_another(self.progress, ids.get(self.shard.topic)):
            raise Reopen("the topic was made anew")

    async def _end_flush(self) -> None:
        """Wait for the flush under way, and take its outcome as the progress."""
        if self._flushing is None:
            return
        self.progress = await self._flushing
        self._flushing = None
        if self._delivered is not None:
            delivered, self._delivered = self._delivered, None
            self._done_with(delivered)
            faults.reach("after-ack")

    def _done_with(self, delivery: Delivery) -> None:
        """It is in the database: the broker may know, and the next one may come."""
        delivery.acknowledge()
        self._opener.feed.release(delivery.session)

    async def _record(self, decoded: Sequence[Decoded], records: Sequence[Any], delivery: Delivery) -> None:
        """Record a run: what comes before a change that must wait in a transaction of its own."""
        assert self.progress is not None
        old_states: dict[OldKey, OldState] = {}
        self.progress = await self.commands.apply_past(self.progress, decoded)
        while (cut := self.commands.cut(decoded, old_states)) is not None:
            index, change = cut
            if index:
                await self._begin_flush(decoded[:index], records[:index], records[index - 1].offset + 1, old_states)
                await self._end_flush()
                if decoded[index - 1].__class__ is Command:
                    self.commands.due = await self._opener.commands_due(self.progress)
                decoded, records = decoded[index:], records[index:]
            self.progress = await self.commands.apply_past(self.progress, decoded)
            if change is None:
                continue
            old_states[change.table_name, change.old_entity or "", change.offset] = await self.deriver.old_state(change)
        if delivery.run.next_offset > self.progress.next_offset:
            await self._begin_flush(decoded, records, delivery.run.next_offset, old_states)
            self._delivered = delivery
        else:
            self._done_with(delivery)

    async def _begin_flush(
        self,
        decoded: Sequence[Decoded],
        records: Sequence[Any],
        next_offset: int,
        old_states: Mapping[OldKey, OldState],
    ) -> None:
        assert self.progress is not None
        batch, rows = await self.deriver.derive(self.progress, decoded, records, next_offset, old_states)
        self._flushing = asyncio.ensure_future(self._flusher.flush(batch, rows, decoded, records, old_states))
        await asyncio.sleep(0)
