"""Runs retention when it is due, and when an administrator asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msr_stream import instants, logs
from msr_stream.errors import Conflict
from msr_stream.instants import MINUTE
from msr_stream.retention import Plan, next_run
from msr_stream.settings import Settings
from msr_stream.store.audit import Actor
from msr_stream.store.retaining import Retaining, StillRead
from msr_stream.store.retention import Retention

log = logs.get(__name__)
#: A run that did not come to its end is tried again so long after it was last heard of.
_AGAIN = MINUTE
#: How long an administrator waits for the end of a run, seconds; then it goes on without being waited for.
_PATIENCE = 10.0


class Retainer:
    """This worker's part in retention: none where `CLEANUP_SERVICE_ENABLED` is false."""

    def __init__(
        self, settings: Settings, retention: Retention, retaining: Retaining, clock: Callable[[], int] = instants.now
    ) -> None:
        self.enabled = settings.cleanup_service_enabled
        self._retention, self._retaining, self._clock = retention, retaining, clock
        self._began = clock()
        self._task: asyncio.Task[Plan | None] | None = None

    async def tick(self) -> None:
        """Begin a run if one is due, and none of this worker's is under way."""
        if self.enabled and not self._running and await self._is_due():
            self._begin(None)

    async def ask(self, actor: Actor) -> Plan | None:
        """Begin a run now, and wait for its end a little.

        Returns:
            What it took away; `None`: it goes on, or waits for answers that began before it, and is tried again.

        Raises:
            Conflict: one is under way, this worker does not clean up, or nothing is settled.
            Unavailable: the database is away.
        """
        if not self.enabled:
            raise Conflict("this worker does not clean up (CLEANUP_SERVICE_ENABLED)")
        if self._running:
            raise Conflict("retention is under way already")
        await self._retention.plan()
        await self._retention.note_run(actor)
        task = self._begin(actor.caller.username)
        done, _ = await asyncio.wait({task}, timeout=_PATIENCE)
        try:
            return task.result() if done else None
        except StillRead:
            return None

    async def close(self) -> None:
        """Break off the run under way: another one comes to the same end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    @property
    def _running(self) -> bool:
        return self._task is not None and not self._task.done()

    async def _is_due(self) -> bool:
        last, now = await self._retention.last_run(), self._clock()
        if last is not None and last["state"] != "done":
            return bool(now - last["touched_at"] >= _AGAIN)
        upcoming = next_run(await self._retention.cron(), last["started_at"] if last is not None else self._began)
        return upcoming is not None and upcoming <= now

    def _begin(self, username: str | None) -> asyncio.Task[Plan | None]:
        self._task = asyncio.create_task(self._retaining.run(username))
        self._task.add_done_callback(_say)
        return self._task


def _say(task: asyncio.Task[Plan | None]) -> None:
    """How a run ended that is not waited for."""
    if task.cancelled():
        return
    if isinstance(error := task.exception(), Conflict):
        log.info("retention: another worker is at it")
    elif error is not None:
        log.warning("retention did not come to its end, it is tried again", error=repr(error))
