"""Raises the settled instant of owned shards (design, invariant 10)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack

from msr_stream import instants, logs
from msr_stream.instants import MINUTE, SECOND
from msr_stream.recording.feed import Feed, Session
from msr_stream.recording.opening import is_another
from msr_stream.recording.progress import Progress, Shard
from msr_stream.recording.recorder import Recorder
from msr_stream.recording.shard import ShardRecorder
from msr_stream.settings import Settings
from msr_stream.store.settled import Settled

log = logs.get(__name__)

#: Settled instants are raised by at least this, microseconds.
_STEP = SECOND // 4
#: A run that was fetched so long ago and has not come is lost, microseconds.
_LOST = 5 * SECOND


class Settler:
    """Settles the shards of one worker, tick by tick."""

    def __init__(
        self,
        settings: Settings,
        recorder: Recorder,
        feed: Feed,
        settled: Settled,
        look: Callable[[], Awaitable[None]],
        clock: Callable[[], int] = instants.now,
    ) -> None:
        self._grace = int(settings.settle_grace * SECOND)
        self._lateness = int(settings.max_lateness * SECOND)
        self._silence = settings.source_silence
        self._recorder, self._feed, self._settled, self._clock = recorder, feed, settled, clock
        self._look = look
        self._markers: dict[str, int] = {}
        self._awaited: dict[tuple[Session, int], int] = {}  # since when

    async def tick(self) -> None:
        """Read the markers, then look for topics, then ask for the ends of the logs, then settle what is flushed.

        The order matters: whatever was committed at the source before a marker is in the logs before their ends
        are asked for after the marker was read, also in the log of a table that had none before.
        """
        owned = {shard: recorder for shard, recorder in self._recorder.shards.items() if recorder.progress is not None}
        if not owned:
            return
        markers = await self._settled.markers()
        if markers != self._markers:
            await self._look()
            self._markers = markers
        asked_at = self._clock()
        instants_wanted = {
            shard: instant
            for shard, recorder in owned.items()
            if _is_behind(recorder.progress, instant := self._instant(recorder.progress, markers, asked_at))
            or recorder.commands.due
        }
        if not instants_wanted:
            return
        ends, ids = await asyncio.gather(
            self._feed.ends(instants_wanted), self._feed.topic_ids({shard.topic for shard in instants_wanted})
        )
        ready: dict[Shard, int] = {}
        for shard, instant in instants_wanted.items():
            recorder = owned[shard]
            progress = recorder.progress
            if progress is None:
                continue
            if ends[shard] < progress.next_offset or is_another(progress, ids.get(shard.topic)):
                recorder.doubt("the log may not be the one that was recorded")
            elif recorder.idle and progress.next_offset >= ends[shard]:
                ready[shard] = instant
            elif not recorder.commands.due:
                recorder.deriver.settle_target = (ends[shard], instant)
        self._doubt_what_does_not_come(owned, asked_at)
        await self._settle(ready)

    async def silence(self) -> None:
        """Let sources that have sent nothing for a while hold nobody up."""
        for source, topic, partition in await self._settled.silence(self._silence):
            log.warning("source is silent: its shard holds settled time back no longer",
                        source=source, shard=f"{topic}[{partition}]")  # fmt: skip

    def _instant(self, progress: Progress | None, markers: Mapping[str, int], asked_at: int) -> int:
        marker = markers.get(progress.source) if progress is not None else None
        if marker is None:
            return asked_at - self._lateness
        # Times of a clock that is far ahead are lowered to ours when they are recorded: so is its marker.
        return (marker if marker <= asked_at + MINUTE else asked_at) - self._grace

    def _doubt_what_does_not_come(self, owned: Mapping[Shard, ShardRecorder], now: int) -> None:
        """Have shards opened again of which a run was lost: their next run would show the gap, but may never come."""
        awaited = {shard: run for shard, recorder in owned.items() if (run := recorder.awaited) is not None}
        self._awaited = {run: self._awaited.get(run, now) for run in awaited.values()}
        for shard, run in awaited.items():
            if now - self._awaited[run] >= _LOST:
                log.warning("a run was lost on its way, it is read again", shard=str(shard), offset=run[1])
                owned[shard].doubt("a run was lost on its way")

    async def _settle(self, ready: Mapping[Shard, int]) -> None:
        """Raise idle shards, all in one statement, each locked against its own recorder meanwhile."""
        async with AsyncExitStack() as stack:
            locked: dict[int, tuple[ShardRecorder, int]] = {}
            for shard, instant in ready.items():
                recorder = self._recorder.shards.get(shard)
                if recorder is not None and recorder.idle and recorder.progress is not None:
                    await stack.enter_async_context(recorder.lock)
                    if recorder.commands.due and not await recorder.apply_until(instant):
                        continue
                    locked[recorder.progress.shard_id] = recorder, instant
            if not locked:
                return
            raised = await self._settled.settle(
                [(shard_id, recorder.progress.version, instant)  # type: ignore[union-attr]
                 for shard_id, (recorder, instant) in locked.items()]
            )  # fmt: skip
            for shard_id, version, settled_until in raised:
                recorder, _ = locked.pop(shard_id)
                if recorder.progress is not None:
                    recorder.settled(version, settled_until)
            for recorder, _ in locked.values():  # no run need come that would notice it
                recorder.doubt("somebody else has written the shard")


def _is_behind(progress: Progress | None, instant: int) -> bool:
    """Whether it is worth a write to settle a shard up to an instant."""
    if progress is None:
        return False
    return progress.settled_until is None or instant >= progress.settled_until + _STEP


async def every(seconds: float, what: str, work: Callable[[], object], stopping: asyncio.Event) -> None:
    """Do something again and again until told to stop; a failure is said, and tried again at the next turn."""
    while not stopping.is_set():
        try:
            await work()  # type: ignore[misc]
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.warning(f"{what} failed, trying again", error=repr(error))
        try:
            await asyncio.wait_for(stopping.wait(), seconds)
        except TimeoutError:
            continue
