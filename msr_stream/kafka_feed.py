"""The recorder's feed on Kafka: Faust's consumer and producer, seen from a shard."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from msr_stream import logs
from msr_stream.recording.feed import Session
from msr_stream.recording.progress import Shard
from msr_stream.topic_ids import topic_ids

log = logs.get(__name__)

#: Longest wait for the ends of the logs before the broker is asked anew, ms.
_PATIENCE_MS = 5000


class KafkaFeed:
    """`recording.feed.Feed` on the Faust application's consumer and producer.

    The ends of the logs are asked for over a connection of their own: in Faust's consumer thread they would wait
    for fetches, and seeks would wait for them.
    """

    def __init__(self, app: Any, client_arguments: Mapping[str, Any]) -> None:
        self._app, self._arguments = app, client_arguments
        self._asker: AIOKafkaConsumer | None = None
        self._asking, self._connecting = asyncio.Lock(), asyncio.Lock()

    async def seek(self, shard: Shard, offset: int) -> Session:
        """Read the shard from this offset on."""
        session: Session = await self._app.consumer.seek_session(shard, offset)
        return session

    def release(self, session: Session) -> None:
        """One more run of this session is done with."""
        self._app.consumer.release(session)

    async def beginnings(self, shards: Iterable[Shard]) -> Mapping[Shard, int]:
        """The first offset of each log."""
        return await self._offsets("beginning_offsets", shards)

    async def ends(self, shards: Iterable[Shard]) -> Mapping[Shard, int]:
        """The offset after the last of each log."""
        return await self._offsets("end_offsets", shards)

    async def topic_ids(self, topics: Iterable[str]) -> Mapping[str, str]:
        """The broker's ids of those topics that exist, as far as it gives ids."""
        wanted = list(topics)
        while True:
            try:
                return await topic_ids((await self._connected())._client, wanted)  # noqa: SLF001
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("the broker does not tell topic ids, asking again", error=repr(error))
            await asyncio.sleep(0.5)

    async def close(self) -> None:
        """Leave the broker."""
        if self._asker is not None:
            asker, self._asker = self._asker, None
            await asker.stop()

    async def _offsets(self, what: str, shards: Iterable[Shard]) -> Mapping[Shard, int]:
        """Ask until the broker answers."""
        wanted = [TopicPartition(*shard) for shard in shards]
        while True:
            try:
                async with self._asking:
                    offsets = await getattr(await self._connected(), what)(wanted)
                return {Shard(tp.topic, tp.partition): offset for tp, offset in offsets.items()}
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("the broker does not tell offsets, asking again", what=what, error=repr(error))
                await self.close()
            await asyncio.sleep(0.5)

    async def _connected(self) -> AIOKafkaConsumer:
        async with self._connecting:
            if self._asker is None:
                asker = AIOKafkaConsumer(**self._arguments, request_timeout_ms=_PATIENCE_MS)
                try:
                    await asker.start()
                except BaseException:
                    await asker.stop()
                    raise
                self._asker = asker
            return self._asker

    async def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]
    ) -> None:
        """Write a record and wait until the broker has it."""
        await self._app.producer.send_and_wait(topic, key, value, None, None, list(headers))
