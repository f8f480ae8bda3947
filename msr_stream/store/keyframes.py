"""Keyframes: the full state of a shard at a position, built in SQL beside the flush (design, invariants 12 and 13)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import asyncpg

from msr_stream import logs
from msr_stream.errors import MsrError, Unavailable
from msr_stream.instants import FIRST, LAST
from msr_stream.store import queries
from msr_stream.store.audit import Actor, note
from msr_stream.store.companions import EPOCH_LOCK
from msr_stream.store.database import PASSING, Connection, Database
from msr_stream.store.literals import instant, literal

log = logs.get(__name__)
_sql = queries.load("keyframes")
#: A build reads and writes a whole shard; seconds.
_LONGEST = 3600.0
#: The number of live entities is corrected if so many events, at most, came after the keyframe.
_COUNTED = 100_000


class _Before(NamedTuple):
    """The keyframe that another one is built from; without one, the beginning of the log."""

    keyframe_id: int = 0
    position: int = 0
    keyframe_timestamp: int = FIRST
    keyframe_rows: int = 0


class Pace(NamedTuple):
    """How often keyframes are built: after `factor` events per live entity, never after fewer than `floor`."""

    factor: float
    floor: int

    def step(self, live: int) -> int:
        """After how many events a shard with so many live entities gets the next one."""
        return max(self.floor, int(self.factor * live))


class _Target(NamedTuple):
    """Where a keyframe is to be: it holds every event up to a position, which are those up to an instant."""

    position: int
    at: int


class Keyframes:
    """Builds keyframes, one at a time in this worker.

    A shard's log is final up to what is settled of it, and before its newest event: its effective times never run
    back. So history that was recorded late gets keyframes along its length too, not at its end only.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def build(self, shard_id: int, at: int | None = None) -> int | None:
        """Build a keyframe of a shard.

        Args:
            shard_id: the shard.
            at: the instant it is valid from, also if nothing has changed since the last one; without it, where the
                log is final up to its end, if anything has changed.

        Returns:
            Its id; `None` if there was nothing to do: nothing has changed, another one builds, there is a keyframe at
            that instant, or nothing was recorded up to it.

        Raises:
            MsrError: the log is not final at that instant.
        """
        return await self._build(shard_id, at, None)

    async def build_all(self, actor: Actor) -> int:
        """Build a keyframe of every shard that has changed, for somebody; returns how many got one.

        Raises:
            Unavailable: the database is away.
        """
        try:
            async with self._database.building() as connection:
                shards = [row["shard_id"] for row in await connection.fetch(_sql["every_shard"])]
            built = [shard_id for shard_id in shards if await self.build(shard_id) is not None]
        except PASSING as error:
            raise Unavailable("the database is not available", headers={"Retry-After": "2"}) from error
        async with self._database.serving() as connection:
            await note(connection, actor, "keyframe.build", "every shard", after={"shards": built})
        return len(built)

    async def keep_up(self, shard_ids: Iterable[int], pace: Pace) -> int:
        """Build what is due of these shards; returns how many keyframes were built.

        A shard that the database refuses one holds up no other: it is tried again at the next call.
        """
        async with self._database.building() as connection:
            due = await connection.fetch(_sql["due"], list(shard_ids), pace.floor, pace.factor)
        built = 0
        for row in due:
            try:
                while await self._build(row["shard_id"], None, pace) is not None:
                    built += 1
            except asyncpg.PostgresError as error:
                log.warning("keyframe not built, trying again", shard_id=row["shard_id"], error=repr(error))
        return built

    async def _build(self, shard_id: int, at: int | None, pace: Pace | None) -> int | None:
        """Build one, with a pace only if it is due."""
        async with self._database.building() as connection, connection.transaction():
            await self._hold(connection)
            if at is not None:
                await connection.fetchval(_sql["wait_build"], shard_id)
            elif not await connection.fetchval(_sql["try_build"], shard_id):
                return None
            end = await connection.fetchrow(_sql["log_end"], shard_id)
            if end is None or end["final_until"] is None:
                return None
            if at is not None and at > end["final_until"]:
                raise MsrError(f"no keyframe of shard {shard_id} at {at}: it is final up to {end['final_until']} only")
            found = await connection.fetchrow(_sql["newest_head"], shard_id, LAST if at is None else at)
            before = _Before(**found) if found is not None else _Before()
            step = pace.step(max(before.keyframe_rows, end["live_entities"])) if pace is not None else None
            target = await self._target(connection, shard_id, before, end["final_until"] if at is None else at, step)
            if at is not None:
                position = target.position if target is not None else before.position
                target = _Target(position, at) if position and at != before.keyframe_timestamp else None
            if target is None:
                return None
            return await self._fill(connection, shard_id, before, target, end)

    @staticmethod
    async def _hold(connection: Connection) -> None:
        """Hold the history's current epoch, as readers do: what is read is not taken out meanwhile."""
        while await connection.fetchval(_sql["hold_epoch"], EPOCH_LOCK) != await connection.fetchval(_sql["epoch"]):
            pass

    @staticmethod
    async def _target(
        connection: Connection, shard_id: int, before: _Before, until: int, step: int | None
    ) -> _Target | None:
        """Where the next keyframe is to be, up to an instant, if there is anything to keep.

        With a step: so many events after the one before, and only if there are as many; if there are twice as many,
        not at the end.
        """
        within = {"shard": shard_id, "after": instant(before.keyframe_timestamp), "until": instant(until)}
        last = await connection.fetchrow(_sql["last_event"].format(**within))
        if step is not None:
            events = last["position"] - before.position if last is not None else 0
            if events < step:
                return None
            if events >= 2 * step:
                middle = await connection.fetchval(_sql["nth_event"].format(**within, number=step))
                last = await connection.fetchrow(_sql["last_event"].format(**within | {"until": instant(middle)}))
        return _Target(last["position"], last["event_timestamp"]) if last is not None else None

    async def _fill(self, connection: Connection, shard_id: int, before: _Before, target: _Target, end: Any) -> int:
        keyframe_id: int = await connection.fetchval(_sql["new_id"])
        await self._ensure_partition(target.at)
        filled = await connection.execute(
            _sql["fill"].format(
                keyframe=literal(keyframe_id), shard=literal(shard_id), before=literal(before.keyframe_id),
                after=instant(before.keyframe_timestamp), at=instant(target.at),
            ),
            timeout=_LONGEST,
        )  # fmt: skip
        rows = int(filled.split()[-1])
        await connection.execute(_sql["add_head"], keyframe_id, shard_id, target.position, target.at, rows)
        correction = 0
        if end["last_position"] - target.position <= _COUNTED:
            since = _sql["count_live_after"].format(
                shard=literal(shard_id), after=instant(target.at), until=literal(end["last_position"])
            )
            correction = rows + await connection.fetchval(since) - end["live_entities"]
        await connection.execute(_sql["correct_shard"], shard_id, correction)
        log.debug("keyframe built", shard_id=shard_id, position=target.position, rows=rows)
        return keyframe_id

    async def _ensure_partition(self, at: int) -> None:
        """Make the partition in a transaction of its own, as flushes do: attaching it holds what others wait for."""
        async with self._database.recording() as connection:
            await connection.execute("SELECT ensure_partition('keyframe', $1)", at)
