"""How CDC partitions are fetched."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

from msr_stream.fetching import FETCH_WAIT_MS, RunThread


async def test_idle_partitions_do_not_hold_up_busy_ones_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one request to a broker at a time, and it may wait as long as Faust says: 1.5 s."""
    faust_s = AIOKafkaConsumer(fetch_max_wait_ms=1500)
    assert faust_s._fetch_max_wait_ms == 1500, "aiokafka calls it otherwise now"

    def created(*_: Any) -> AIOKafkaConsumer:
        return faust_s

    monkeypatch.setattr(AIOKafkaConsumerThread, "_create_worker_consumer", created)
    consumer = RunThread.__new__(RunThread)._create_worker_consumer(None)
    assert consumer is faust_s
    assert consumer._fetch_max_wait_ms == FETCH_WAIT_MS <= 100
    await faust_s.stop()
