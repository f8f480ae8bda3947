"""Answers about a clip: like those about what is recorded, from the clip's rows alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from msr_stream import metrics
from msr_stream.errors import BadRequest, RequestError, Unavailable
from msr_stream.replay import EventsQuery, Filter, StateQuery
from msr_stream.settings import Settings
from msr_stream.store import filters, queries
from msr_stream.store.clips import KeptClip
from msr_stream.store.counting import HISTORY, Counting
from msr_stream.store.database import PASSING, Connection, Database
from msr_stream.store.literals import instant, literal
from msr_stream.store.projection import projected
from msr_stream.store.reader import read_as
from msr_stream.store.sinks import Sink
from msr_stream.store.snapshot import Snapshot

_sql, _replay = queries.load("clips"), queries.load("replay")
#: Stands for the history's epoch, which begins with 1.
NO_EPOCH = 0
#: What is asked of the history by one statement is asked of a clip by another, with the same parameters.
_OF_A_CLIP = {statement: _sql[name] for name, statement in queries.load("browsing").items() if name in _sql}


_COUNTING = Counting((), {**HISTORY.statements, "events": _sql["counted_events"], "tables": _sql["counted_tables"]})


class ClipSnapshot(Snapshot):
    """One snapshot of a clip; all of it is settled. It reads in its own way, on one connection."""

    #: No epoch of the history concerns it.
    epoch = NO_EPOCH
    counting = _COUNTING

    def __init__(self, connection: Connection, clip: KeptClip) -> None:
        self.bounds, self.tenant = clip.bounds, clip.tenant
        self._connection, self._clip = connection, clip

    async def incomplete(self, at: int, start: int | None = None, tables: Sequence[str] = ()) -> list[str]:
        """Tables of which the clip may not have all, whatever the instant; of some alone, if any are named."""
        return sorted(name for name in self._clip.incomplete if not tables or name in {*tables, "*"})

    async def state(self, query: StateQuery, at: int, sink: Sink) -> None:
        """The state at an instant."""
        with metrics.QUERY_SECONDS.labels("state").time():
            await self._read("state", query.filter, sink, at=instant(at))

    async def events(self, query: EventsQuery, sink: Sink, of: Callable[[int], bool] = bool) -> None:
        """The events of a window, in the served order; a clip has no shards to choose from."""
        window = {"start": instant(query.start), "end": instant(query.end)}
        with metrics.QUERY_SECONDS.labels("events").time():
            await self._read("events", query.filter, sink, **window)

    async def rows(self, statement: str, *arguments: Any) -> list[Any]:
        """The few rows of a statement about the history, of the clip instead.

        Raises:
            BadRequest: a clip cannot be asked that.
        """
        if statement not in _OF_A_CLIP:
            raise BadRequest("a clip cannot be asked that: leave out source")
        found: list[Any] = await self._connection.fetch(_OF_A_CLIP[statement], *arguments)
        return found

    async def counted(self, name: str, **values: int | str) -> list[Any]:
        """The rows of one of the statements about activity."""
        found: list[Any] = await self._connection.fetch(self.counting.statements[name].format(**values))
        return found

    async def _read(self, name: str, chosen: Filter, sink: Sink, **instants: str) -> None:
        statement = _sql[name].format(
            row=_replay["row"],
            where=filters.among(filters.kept(chosen), chosen),
            clip=f"{literal(str(self._clip.clip_id))}::uuid",
            tenant=literal(self.tenant),
            **instants,
        )

        await self.copy(statement, projected(sink, chosen.fields))


class ClipReplay:
    """Opens snapshots of clips, so many at a time: half as many as of what is recorded."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._database = database
        self._turns = asyncio.Semaphore(max(1, settings.replay_concurrency // 2))
        self._patience, self._reader = settings.replay_patience, settings.database_reader_role

    @asynccontextmanager
    async def snapshot(self, clip: KeptClip) -> AsyncIterator[ClipSnapshot]:
        """A snapshot of a clip, read as the role that sees its tenant's rows only.

        Raises:
            Unavailable: no turn, no database, or the clip is not there now.
        """
        try:
            await asyncio.wait_for(self._turns.acquire(), self._patience)
        except TimeoutError as error:
            raise Unavailable("too many replays at a time", headers={"Retry-After": "2"}) from error
        try:
            async with self._database.replaying() as connection, self._reading(connection, clip.tenant):
                yield await self._begin(connection, clip)
        except (asyncpg.QueryCanceledError, TimeoutError) as error:
            raise Unavailable("reading the clip took too long", headers={"Retry-After": "5"}) from error
        except tuple(kind for kind in PASSING if kind is not OSError) as error:
            raise Unavailable("the history database is not available", headers={"Retry-After": "2"}) from error
        finally:
            self._turns.release()

    @asynccontextmanager
    async def _reading(self, connection: Connection, tenant: str) -> AsyncIterator[None]:
        """One snapshot; an answer that is given up half-way ends its connection, which stops the statement at once."""
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            await read_as(connection, self._reader, tenant)
            yield
        except RequestError:
            await connection.execute("ROLLBACK")
            raise
        except BaseException:
            connection.terminate()
            raise
        await connection.execute("ROLLBACK")

    @staticmethod
    async def _begin(connection: Connection, clip: KeptClip) -> ClipSnapshot:
        await connection.fetchrow(_sql["look_into"], str(clip.clip_id))
        row = await connection.fetchrow(_sql["seen"], clip.clip_id, clip.tenant)
        if row is None:  # deleted a moment ago, or imported and not there yet where answers are read
            raise Unavailable(f"clip {clip.clip_id} cannot be read now", headers={"Retry-After": "1"})
        return ClipSnapshot(connection, KeptClip.of(row))
