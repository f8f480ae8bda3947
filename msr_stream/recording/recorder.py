"""All shards this worker owns: given by the group, recorded side by side, given up when they are revoked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial

from msr_stream import instants, logs, snapshots
from msr_stream.errors import TopicStopped
from msr_stream.recording.deriving import Deriver
from msr_stream.recording.feed import Delivery, Feed
from msr_stream.recording.opening import Opener
from msr_stream.recording.progress import Shard
from msr_stream.recording.shard import ShardRecorder
from msr_stream.records.change import Change, Command
from msr_stream.records.decode import Decoder
from msr_stream.settings import Settings
from msr_stream.store.database import Database
from msr_stream.store.history import History
from msr_stream.store.letters import Letter

log = logs.get(__name__)

#: What one entity costs in the cache, bytes: its key, its texts and its place in the map.
_ENTITY_BYTES = 250
#: Seconds between two requests for a snapshot of the same topic.
_SNAPSHOT_PAUSE = 60.0
#: Longest wait for flushes under way when shards are revoked, seconds: a rebalance must not wait longer.
_FINISH = 2.0


class Recorder:
    """Records every shard that this worker owns.

    Attributes:
        shards: those owned now.
        partitions: how many partitions each topic has, as discovery sees it.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        feed: Feed,
        on_crash: Callable[[BaseException], Awaitable[None]],
        clock: Callable[[], int] = instants.now,
    ) -> None:
        self.shards: dict[Shard, ShardRecorder] = {}
        self.partitions: dict[str, int] = {}
        self.history = History(database)
        self._settings, self._database, self._feed = settings, database, feed
        self._on_crash, self._clock = on_crash, clock
        self._opener = Opener(feed, database, self.history, self.request_snapshot)
        self._tasks: dict[Shard, asyncio.Task[None]] = {}
        self._claimed: dict[str, str] = {}
        self._snapshots: dict[str, float] = {}

    def assign(self, shards: Iterable[Shard]) -> None:
        """Begin to record these shards."""
        wanted = [shard for shard in shards if shard not in self.shards]
        limit = self._settings.entity_cache_mb * 1_000_000 // _ENTITY_BYTES
        share = max(1000, limit // max(1, len(self.shards) + len(wanted)))
        for shard in wanted:
            self.shards[shard] = recorder = self._shard_recorder(shard, share)
            self._tasks[shard] = task = asyncio.create_task(recorder.run(), name=f"record {shard}")
            task.add_done_callback(self._ended)

    async def revoke(self, shards: Iterable[Shard]) -> None:
        """Give these shards up; flushes under way may end first, what is not flushed is read again."""
        given_up = [(self.shards.pop(shard), self._tasks.pop(shard)) for shard in list(shards) if shard in self.shards]
        await asyncio.gather(*(recorder.finish(_FINISH) for recorder, _ in given_up))
        running = {task for _, task in given_up}
        while running:
            for task in running:
                task.cancel()  # again and again: `asyncio.wait_for` of Python 3.11 may swallow one (bpo-42130)
            _, running = await asyncio.wait(running, timeout=0.5)

    def take(self, delivery: Delivery) -> None:
        """Hand a run to its shard's recorder; what nobody here owns is dropped, its owner reads it."""
        recorder = self.shards.get(delivery.session.shard)
        if recorder is not None:
            recorder.take(delivery)

    async def request_snapshot(self, shard: Shard) -> None:
        """Ask the capture to send the topic's tables whole, once in a while."""
        loop_time = asyncio.get_running_loop().time()
        if loop_time - self._snapshots.get(shard.topic, -_SNAPSHOT_PAUSE) < _SNAPSHOT_PAUSE:
            return
        self._snapshots[shard.topic] = loop_time
        source = self.decoder(shard.topic).source
        table = shard.topic.removeprefix(f"{source}.")
        log.warning("snapshot requested", source=source, table=table)
        await self._feed.send(self._settings.signal_topic, source.encode(), snapshots.signal([table]), [])

    def _shard_recorder(self, shard: Shard, cache_limit: int) -> ShardRecorder:
        deriver = Deriver(
            shard, self._database, self.history, self.decoder(shard.topic), cache_limit, self._claim, self._clock
        )
        return ShardRecorder(shard, self._opener, deriver, lambda shard_id: self._publish_letters(shard, shard_id))

    def decoder(self, topic: str, partitions: int | None = None) -> Decoder:
        """Decodes a topic as the settings say; with as many partitions as discovery sees unless they are given."""
        return Decoder(
            topic,
            partitions or self.partitions.get(topic, 1),
            self._settings.tenant_column,
            self._settings.tenant_columns,
            self._settings.source_prefixes,
        )

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        if task not in self._tasks.values():  # given up: what it did is read again by its next owner
            log.warning("an error while a shard was given up", task=task.get_name(), exc_info=error)
        else:
            log.error("recording failed", task=task.get_name(), exc_info=error)
            self._crashing = asyncio.ensure_future(self._on_crash(error))

    async def _claim(self, changes: Sequence[Change | Command], decoder: Decoder) -> None:
        """A table name belongs to one source.

        Raises:
            TopicStopped: another source has brought a table of this name before.
        """
        for table_name in {change.table_name for change in changes}:
            if table_name not in self._claimed:
                since = min(change.source_time for change in changes if change.table_name == table_name)
                claim = partial(self.history.claim_table, table_name, decoder.source, decoder.topic, since)
                self._claimed[table_name] = await self._database.retry("claim table", claim)
            owner = self._claimed[table_name]
            if owner != decoder.source:
                raise TopicStopped(
                    f"table {table_name} of source {decoder.source} is recorded from source {owner} already: "
                    f"give {decoder.source} a prefix of its own in SOURCE_PREFIXES"
                )

    async def _publish_letters(self, shard: Shard, shard_id: int) -> None:
        """Send the copies of dead letters not sent yet; what fails is tried again when the shard is opened."""
        try:
            while letters := await self.history.unpublished(shard_id):
                log.warning(
                    "records could not be recorded: dead letters",
                    shard=str(shard),
                    letters=len(letters),
                    first_offset=letters[0].record_offset,
                    code=letters[0].code,
                    reason=letters[0].reason,
                )
                await asyncio.gather(*(self._publish(shard, letter) for letter in letters))
                await self.history.mark_published(letters)
        except Exception as error:
            log.warning("dead letters not published", shard=str(shard), error=repr(error))

    async def _publish(self, shard: Shard, letter: Letter) -> None:
        headers = _headers(shard, letter)
        await self._feed.send(self._settings.dead_letter_topic, letter.record_key, letter.record_value, headers)


def _headers(shard: Shard, letter: Letter) -> list[tuple[str, bytes]]:
    added: Mapping[str, str] = {
        "msr.code": letter.code,
        "msr.reason": letter.reason,
        "msr.topic": shard.topic,
        "msr.partition": str(shard.partition),
        "msr.offset": str(letter.record_offset),
        "msr.timestamp": str(letter.record_timestamp),
    }
    return [*letter.record_headers, *((name, value.encode()) for name, value in added.items())]
