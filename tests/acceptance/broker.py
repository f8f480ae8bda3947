"""The broker as other tools see it: plain clients, nothing of MSR's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from msr_local.waiting import wait_until

_LARGEST = 32 << 20


class Broker:
    """A broker, asked synchronously."""

    def __init__(self, address: str) -> None:
        self.address = address

    def produce(
        self,
        topic: str,
        records: Sequence[tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]],
        partition: int = 0,
    ) -> None:
        """Write records (key, value, headers) to one partition."""

        async def work() -> None:
            async with AIOKafkaProducer(bootstrap_servers=self.address, max_request_size=_LARGEST) as producer:
                for key, value, headers in records:
                    await producer.send_and_wait(topic, value, key, partition=partition, headers=headers)

        asyncio.run(work())

    def read(self, topic: str) -> list[Any]:
        """All records of a topic, in the order of their partitions."""

        async def work() -> list[Any]:
            async with AIOKafkaConsumer(bootstrap_servers=self.address, max_partition_fetch_bytes=_LARGEST) as consumer:
                shards = await _shards(consumer, topic)
                consumer.assign(shards)
                ends, found = await consumer.end_offsets(shards), []
                for shard in shards:
                    await consumer.seek_to_beginning(shard)
                    while await consumer.position(shard) < ends[shard]:
                        batch = await consumer.getmany(shard, timeout_ms=1000)
                        found += [record for records in batch.values() for record in records]
                return found

        return asyncio.run(work())

    def size(self, topic: str, more_than: int = -1) -> int:
        """How many records a topic has had, as soon as they are more than so many."""

        async def work() -> int:
            async with AIOKafkaConsumer(bootstrap_servers=self.address) as consumer:
                await consumer._client.force_metadata_update()
                shards = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
                while True:
                    size = int(sum((await consumer.end_offsets(shards)).values()))
                    if size > more_than:
                        return size
                    await asyncio.sleep(0.01)

        return asyncio.run(asyncio.wait_for(work(), 60))

    def make_anew(self, topic: str) -> None:
        """Delete a topic and create it again with the same partitions and settings."""
        partitions, settings = asyncio.run(self._delete(topic))
        wait_until(
            lambda: asyncio.run(self._create(topic, partitions, settings)), 30, f"{topic} is made anew", every=0.2
        )

    def trim(self, topic: str) -> None:
        """Delete every record that a topic has, as retention does."""

        async def work() -> None:
            async with AIOKafkaConsumer(bootstrap_servers=self.address) as consumer:
                ends = await consumer.end_offsets(await _shards(consumer, topic))
            async with Admin(self.address) as admin:
                await admin.client.delete_records(
                    {shard: RecordsToDelete(before_offset=end) for shard, end in ends.items()}
                )

        asyncio.run(work())

    def members(self, group: str) -> int:
        """How many workers share a group's partitions; 0 while they are being shared out."""

        async def work() -> int:
            async with Admin(self.address) as admin:
                [answer] = await admin.client.describe_consumer_groups([group])
                [(_, _, state, _, _, members, *_)] = answer.groups
                return len(members) if state == "Stable" else 0

        return asyncio.run(work())

    async def _delete(self, topic: str) -> tuple[int, dict[str, str]]:
        async with Admin(self.address) as admin:
            [described] = await admin.client.describe_topics([topic])
            [answer] = await admin.client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
            # of each setting: name, value, read only, where it comes from (1: the topic's own) …
            settings = {one[0]: one[1] for one in answer.resources[0][4] if one[3] == 1}
            await admin.client.delete_topics([topic])
            return len(described["partitions"]), settings

    async def _create(self, topic: str, partitions: int, settings: dict[str, str]) -> bool:
        """False while the broker still knows the old one."""
        async with Admin(self.address) as admin:
            wanted = NewTopic(topic, partitions, 1, topic_configs=settings)
            answer = await admin.client.create_topics([wanted])
            code: int = answer.topic_errors[0][1]
            return code == 0


async def _shards(consumer: Any, topic: str) -> list[TopicPartition]:
    """A topic's partitions, as soon as the client has heard of them."""

    async def known() -> list[TopicPartition]:
        while not (numbers := consumer.partitions_for_topic(topic)):
            await consumer._client.force_metadata_update()
            await asyncio.sleep(0.05)
        return [TopicPartition(topic, number) for number in sorted(numbers)]

    return await asyncio.wait_for(known(), 60)


class Admin:
    """An admin client for the length of a block."""

    def __init__(self, address: str) -> None:
        self.client: Any = AIOKafkaAdminClient(bootstrap_servers=address)

    async def __aenter__(self) -> Admin:
        await self.client.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.client.close()
