"""Sources as an administrator sees and steers them: recording, connectors, published tables, snapshots."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Literal
from uuid import uuid4

from msr_stream import logs, snapshots
from msr_stream.connectors import Connector, Connectors
from msr_stream.errors import Conflict, NotFound, Unavailable
from msr_stream.overview import SourceState, overview
from msr_stream.recording.feed import Feed
from msr_stream.recording.progress import Shard
from msr_stream.recording.recorder import Recorder
from msr_stream.settings import Settings
from msr_stream.store.audit import Actor, note
from msr_stream.store.database import Database
from msr_stream.store.notices import requested
from msr_stream.store.sources import Ended, Known, Sources

log = logs.get(__name__)

#: Longest wait for the broker, seconds.
_BROKER_PATIENCE = 2.0
_SIGNAL_PATIENCE = 5.0

SnapshotType = Literal["blocking", "incremental"]


class SourceAdministration:
    """What administrators do with sources."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        sources: Sources,
        connectors: Connectors,
        feed: Feed,
        recorder: Recorder,
    ) -> None:
        self._settings, self._database, self._sources = settings, database, sources
        self._connectors, self._feed, self._recorder = connectors, feed, recorder

    async def overview(self) -> list[SourceState]:
        """Every source, also one that only a connector knows so far."""
        known, (connectors, error) = await asyncio.gather(self._sources.known(), self._asked_connectors())
        ends = await self._ends(known)
        return overview(known, connectors, error, ends)

    async def restart(self, source: str, actor: Actor) -> list[str]:
        """Start a source's connectors anew; returns their names.

        Raises:
            NotFound: there is no such source, or no connector captures it.
            Unavailable: Kafka Connect is not configured or does not do it.
        """
        known = await self._sources.known()
        try:
            connectors = await self._connectors.all()
        except Unavailable:
            _check(source, known)
            raise
        names = [connector.name for connector in connectors if connector.source == source]
        if not names:
            _check(source, known)
            raise NotFound(f"Kafka Connect has no connector whose topic.prefix is {source!r}")
        async with self._database.serving() as connection, connection.transaction():
            await note(connection, actor, "source.restart", source, after={"connectors": names})
            for name in names:
                await self._connectors.restart(name)
        return names

    async def snapshot(self, source: str, tables: Sequence[str] | None, kind: SnapshotType, actor: Actor) -> list[str]:
        """Ask the capture to send tables of a source whole; returns which.

        Args:
            source: the source.
            tables: which of its tables; `None`: all but those that are retired or no longer published.
            kind: how Debezium takes the snapshot.
            actor: who asks.

        Raises:
            NotFound: there is no such source or table.
            Conflict: there is no table to send.
            Unavailable: the broker does not take the signal.
        """
        known = await self._sources.known()
        _check(source, known)
        own = {row["table_name"]: row for row in known.tables if row["source"] == source}
        tables = _captured(source, known) if tables is None else tables
        if unknown := [name for name in tables if name not in own]:
            details = [{"table": name} for name in unknown]
            raise NotFound(f"source {source!r} has no table {', '.join(unknown)}", details=details)
        if not tables:
            raise Conflict(f"source {source!r} has no table to send")
        async with self._database.serving() as connection, connection.transaction():
            await note(connection, actor, "source.snapshot", source, after={"tables": list(tables), "type": kind})
            request_id = str(uuid4())
            if kind == "incremental":
                await requested(connection, request_id, source)
            await self._signal(source, tables, kind, request_id)
        return list(tables)

    async def ask_again(self, source: str) -> None:
        """Ask the capture for all of a source: some of its changes were lost.

        Raises:
            Unavailable: the broker does not take the signal.
        """
        if tables := _captured(source, await self._sources.known()):
            await self._signal(source, tables, "blocking")

    async def retire(self, source: str, table: str, actor: Actor) -> Ended:
        """End a table of a source for good (`store.sources.Sources.retire`)."""
        return await self._sources.retire(source, table, actor)

    async def published(self, source: str, tables: Sequence[tuple[str, str]]) -> None:
        """Take note of the tables (schema, name) that a source publishes now."""
        prefix = self._settings.source_prefixes.get(source, "")
        names = [".".join(part for part in (prefix, *table) if part) for table in tables]
        for name, is_published in await self._sources.published(source, names):
            if not is_published:
                log.warning("table is not published: its changes are not captured", source=source, table=name)

    async def _signal(
        self, source: str, tables: Sequence[str], kind: SnapshotType, request_id: str | None = None
    ) -> None:
        prefix = self._settings.source_prefixes.get(source, "")
        value = snapshots.signal(
            [name.removeprefix(f"{prefix}.") if prefix else name for name in tables], kind, request_id
        )
        sending = self._feed.send(self._settings.signal_topic, source.encode(), value, [])
        try:
            await asyncio.wait_for(sending, _SIGNAL_PATIENCE)
        except Exception as error:
            log.warning("the signal for a snapshot was not sent", source=source, error=repr(error))
            raise Unavailable("the broker does not take the signal for a snapshot") from error

    async def _asked_connectors(self) -> tuple[list[Connector], str | None]:
        try:
            return await self._connectors.all(), None
        except Unavailable as error:
            return [], str(error)

    async def _ends(self, known: Known) -> Mapping[Shard, int]:
        """The ends of the logs that the broker has; none if it does not answer in time."""
        present = self._recorder.partitions
        shards = [Shard(row["topic"], row["partition"]) for row in known.shards if row["topic"] in present]
        try:
            return await asyncio.wait_for(self._feed.ends(shards), _BROKER_PATIENCE) if shards else {}
        except TimeoutError:
            return {}


def _captured(source: str, known: Known) -> list[str]:
    """A source's tables, but for those that have ended or are no longer published."""
    return [
        row["table_name"]
        for row in known.tables
        if row["source"] == source and row["retired_at"] is None and row["published"] is not False
    ]


def _check(source: str, known: Known) -> None:
    if all(row["source"] != source for row in known.sources):
        raise NotFound(f"there is no source {source!r}")
