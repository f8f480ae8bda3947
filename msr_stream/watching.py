"""Looks after the source databases themselves: their replication slots, and which tables they publish."""

from __future__ import annotations

import asyncio

from msr_stream import logs
from msr_stream.settings import Settings
from msr_stream.source.published import published_tables
from msr_stream.source.slots import SlotState, look_at_slots
from msr_stream.source.survey import connected
from msr_stream.sources import SourceAdministration
from msr_stream.store.coverage import Coverage

log = logs.get(__name__)

#: Longest look at one source, seconds: less than there is between two.
_PATIENCE = 8.0


class SourceWatch:
    """Keeps what the sources named in `SOURCE_DSNS` show, each for itself: one may be away."""

    def __init__(self, settings: Settings, sources: SourceAdministration, coverage: Coverage) -> None:
        self._dsns, self._sources, self._coverage = settings.source_dsns, sources, coverage
        self._said: dict[tuple[str, str], str] = {}

    async def look(self) -> None:
        """Look at all of them, at the same time."""
        await asyncio.gather(*(self._try(source, dsn.get_secret_value()) for source, dsn in self._dsns.items()))

    async def _try(self, source: str, dsn: str) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._look(source, dsn)
        except Exception as error:
            log.warning("a source cannot be looked at, trying again", source=source, error=repr(error))

    async def _look(self, source: str, dsn: str) -> None:
        async with connected(dsn) as connection:
            look, published = await look_at_slots(connection), await published_tables(connection)
        why = await self._coverage.slot_seen(source, look, lambda: self._sources.ask_again(source))
        if why is not None:
            log.error("coverage has ended until the next complete snapshot", source=source, reason=why)
        for slot in look.slots:
            self._say(source, slot)
        await self._sources.published(source, published)

    def _say(self, source: str, slot: SlotState) -> None:
        """Say once that a slot is lost, or about to be."""
        if self._said.get((source, slot.name)) == slot.wal_status:
            return
        self._said[source, slot.name] = slot.wal_status
        if slot.wal_status in ("lost", "unreserved"):
            log.error("replication slot " + slot.wal_status, source=source, slot=slot.name, advice=slot.advice)
