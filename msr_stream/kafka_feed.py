"""The recorder's feed on Kafka: Faust's consumer and producer, seen from a shard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from faust.types import TP

from msr_stream.recording.feed import Session
from msr_stream.recording.progress import Shard


class KafkaFeed:
    """`recording.feed.Feed` on the Faust application's consumer and producer."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def seek(self, shard: Shard, offset: int) -> Session:
        """Read the shard from this offset on."""
        session: Session = await self._app.consumer.seek_session(shard, offset)
        return session

    def release(self, session: Session) -> None:
        """One more run of this session is done with."""
        self._app.consumer.release(session)

    async def beginnings(self, shards: Iterable[Shard]) -> Mapping[Shard, int]:
        """The first offset of each log."""
        offsets = await self._app.consumer.earliest_offsets(*(TP(*shard) for shard in shards))
        return {Shard(tp.topic, tp.partition): offset for tp, offset in offsets.items()}

    async def ends(self, shards: Iterable[Shard]) -> Mapping[Shard, int]:
        """The offset after the last of each log."""
        offsets = await self._app.consumer.highwaters(*(TP(*shard) for shard in shards))
        return {Shard(tp.topic, tp.partition): offset for tp, offset in offsets.items()}

    async def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]
    ) -> None:
        """Write a record and wait until the broker has it."""
        await self._app.producer.send_and_wait(topic, key, value, None, None, list(headers))
