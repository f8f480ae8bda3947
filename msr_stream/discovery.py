"""Which topics are CDC topics: found while running, registered as shards, stopped when their partitions change."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping

from aiokafka.admin import AIOKafkaAdminClient

from msr_stream import logs
from msr_stream.records.decode import Decoder
from msr_stream.settings import Settings
from msr_stream.store.database import Database
from msr_stream.store.history import History
from msr_stream.store.settled import Settled

log = logs.get(__name__)
_PARTITIONS_CHANGED = "the topic's number of partitions changed"


def cdc_topics(topics: Mapping[str, int], settings: Settings) -> dict[str, int]:
    """Of the broker's topics (name to number of partitions) those to record, with the sources' message topics."""
    pattern = re.compile(settings.cdc_topics)
    own = {settings.dead_letter_topic, settings.signal_topic, settings.notification_topic}
    found = {
        name: partitions
        for name, partitions in topics.items()
        if pattern.fullmatch(name) and name not in own and not name.startswith(f"{settings.app_id}-")
    }
    found = {name: partitions for name, partitions in found.items() if _beside(name, ".transaction", found) is None}
    messages = {f"{source_of(name, found)}.message" for name in found}
    return found | {name: topics[name] for name in messages if name in topics}


def source_of(topic: str, topics: Iterable[str]) -> str:
    """The source a topic belongs to: what comes before schema and table, or before `.message`."""
    beside = _beside(topic, ".message", topics)
    return beside if beside is not None else Decoder(topic).source


def _beside(topic: str, suffix: str, topics: Iterable[str]) -> str | None:
    """The source, if this is a topic that it has beside its tables': a prefix may hold dots itself."""
    source = topic.removesuffix(suffix)
    if source == topic:
        return None
    dots = source.count(".") + 2
    return source if any(name.startswith(f"{source}.") and name.count(".") >= dots for name in topics) else None


class Discovery:
    """Looks at the broker's topics again and again.

    Attributes:
        topics: the CDC topics found last, with their number of partitions.
        seen_at: loop time of the last look that succeeded.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        admin: Callable[[], AIOKafkaAdminClient],
        on_topics: Callable[[Mapping[str, int]], Awaitable[None]],
    ) -> None:
        self.topics: dict[str, int] = {}
        self.seen_at: float | None = None
        self._settings, self._admin, self._on_topics = settings, admin, on_topics
        self._history, self._settled = History(database), Settled(database)
        self._client: AIOKafkaAdminClient | None = None
        self._looking = asyncio.Lock()

    async def look(self) -> None:
        """Look once; new topics are registered before anybody is told of them."""
        async with self._looking:
            await self._look_once()

    async def _look_once(self) -> None:
        found = cdc_topics(await self._broker_topics(), self._settings)
        self.seen_at = asyncio.get_running_loop().time()
        known = await self._history.topics()
        for name, partitions in found.items():
            if name not in known:
                source = source_of(name, found)
                await self._history.register(name, source, partitions)
                log.info("topic found", topic=name, partitions=partitions, source=source)
            else:
                await self._check_partitions(name, partitions, *known[name])
        for name in await self._settled.topics_present(list(found)):
            log.warning("topic is gone from the broker: it holds settled time back no longer", topic=name)
        if found != self.topics:
            await self._on_topics(found)
            self.topics = found

    async def close(self) -> None:
        """Leave the broker."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _check_partitions(self, name: str, partitions: int, registered: int, stopped: str | None) -> None:
        if partitions != registered and stopped is None:
            reason = (
                f"{_PARTITIONS_CHANGED}: {name} was registered with {registered} and has {partitions} now; "
                "an entity's events would lose their order. Give it its number back, or capture under a new prefix"
            )
            log.error("topic stopped", topic=name, reason=reason)
            await self._history.stop_topic(name, reason)
        elif partitions == registered and stopped is not None and stopped.startswith(_PARTITIONS_CHANGED):
            log.info("topic goes on", topic=name)
            await self._history.stop_topic(name, None)

    async def _broker_topics(self) -> dict[str, int]:
        if self._client is None:
            client = self._admin()
            await client.start()
            self._client = client
        try:
            described = await self._client.describe_topics()
        except Exception:
            await self.close()  # a new connection at the next look
            raise
        return {topic["topic"]: len(topic["partitions"]) for topic in described if topic["error_code"] == 0}
