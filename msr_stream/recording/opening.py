"""Where to read a shard from: the database's progress, held against what the broker has (design, invariant 3)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import msgspec

from msr_stream import logs
from msr_stream.errors import MsrError, ShardMoved
from msr_stream.recording.commands import Due
from msr_stream.recording.feed import Feed
from msr_stream.recording.progress import Progress, Shard
from msr_stream.store.commands import Commands
from msr_stream.store.database import Database
from msr_stream.store.history import History

log = logs.get(__name__)

#: Seconds until a log that seems to end too early is asked about again.
_SECOND_LOOK = 0.5


def is_another(progress: Progress, topic_id: str | None) -> bool:
    """Whether a topic's id, as the broker tells it, says that it is not the one that was recorded."""
    return None not in (progress.topic_id, topic_id) and progress.topic_id != topic_id


class Reopen(MsrError):
    """The shard must be opened again before anything more is recorded."""

    def __init__(self, message: str, *, made_anew: bool = False) -> None:
        super().__init__(message)
        self.made_anew = made_anew


@dataclass
class Opened:
    """A shard that can be read.

    Attributes:
        progress: the database's.
        seek_to: the offset to read from; the record flushed last, where there is one, so that it can be verified.
        verified: whether the log is known to be the one that was recorded.
        commands: what the shard has still to apply.
    """

    progress: Progress
    seek_to: int
    verified: bool
    commands: list[Due] = field(default_factory=list)


@dataclass
class Opener:
    """Opens shards, and says what it finds.

    Attributes:
        on_loss: called with a shard of whose log something was lost: asks for a snapshot.
    """

    feed: Feed
    database: Database
    history: History
    on_loss: Callable[[Shard], Awaitable[None]]

    async def open(self, shard: Shard) -> Opened:
        """Read the progress, hold it against the log's two ends, and say where to go on.

        A topic with another id, or whose log ends before the record flushed last, was made anew; a log that
        starts after what comes next has a hole. Both are said, kept in `coverage`, and answered with a request
        for a snapshot.
        """
        pause = 0.2
        while True:
            progress, stopped = await self.database.retry("progress", lambda: self._registered(shard))
            if stopped is None:
                begins, ends, ids = await asyncio.gather(
                    self.feed.beginnings([shard]), self.feed.ends([shard]), self.feed.topic_ids([shard.topic])
                )
                opened = await self._decide(shard, progress, begins[shard], ends[shard], ids.get(shard.topic))
                if opened is not None:
                    # Read after the progress: one that is stored meanwhile moves the version.
                    opened.commands = await self.commands_due(progress)
                    return opened
            else:
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)

    async def commands_due(self, progress: Progress) -> list[Due]:
        """What the shard has still to apply."""
        return await self.database.retry("commands", lambda: Commands(self.database).due(progress.shard_id))

    async def made_anew(self, shard: Shard, progress: Progress) -> None:
        """The topic was deleted and made again: its log begins again, the shard's positions go on."""
        reason = (
            f"topic made anew: {shard} holds another log than the one recorded up to offset {progress.flushed_offset}"
        )
        await self._restart(shard, progress, -1, reason)

    async def _registered(self, shard: Shard) -> tuple[Progress, str | None]:
        while True:
            try:
                return await self.history.progress(shard)
            except ShardMoved:
                await asyncio.sleep(0.5)  # discovery registers it

    async def _decide(
        self, shard: Shard, progress: Progress, begin: int, end: int, topic_id: str | None
    ) -> Opened | None:
        if is_another(progress, topic_id) and progress.flushed_offset >= 0:
            await self.made_anew(shard, progress)
            return None
        if topic_id is not None:
            progress = msgspec.structs.replace(progress, topic_id=topic_id)
        recorded = progress.record_offset
        last = progress.flushed_offset if recorded is None else recorded
        if end <= last:
            await asyncio.sleep(_SECOND_LOOK)  # a new leader may not know its log's end at once
            if (await self.feed.ends([shard]))[shard] <= last:
                await self.made_anew(shard, progress)
            return None
        if begin > progress.next_offset and progress.flushed_offset < 0 and progress.last_position == 0:
            await self._skip(shard, progress, begin - 1)  # the log was trimmed before this shard was known
            return None
        if begin > progress.next_offset:
            reason = f"hole: offsets {progress.next_offset} to {begin - 1} of {shard} were gone before they were read"
            await self._restart(shard, progress, begin - 1, reason)
            return None
        if recorded is None or begin > recorded:
            return Opened(progress, progress.next_offset, verified=True)
        return Opened(progress, recorded, verified=False)

    async def _skip(self, shard: Shard, progress: Progress, flushed_offset: int) -> None:
        log.info("the log begins later than its first record", shard=str(shard), offset=flushed_offset + 1)
        with contextlib.suppress(ShardMoved):
            await self.database.retry("skip", lambda: self.history.restart(progress, flushed_offset, None))

    async def _restart(self, shard: Shard, progress: Progress, flushed_offset: int, reason: str) -> None:
        log.error(reason, shard=str(shard))
        try:
            await self.database.retry("restart", lambda: self.history.restart(progress, flushed_offset, reason))
        except ShardMoved:
            return  # another worker has seen it first, and asked for the snapshot
        await self.on_loss(shard)
