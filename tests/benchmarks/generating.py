"""The source of `bench_lag.py`, a process of its own: a long history at once, then changes at a steady rate.

Standard input is how long it lives. Prints the history's first and last instant once it is written.
"""

from __future__ import annotations

import asyncio
import sys
import time

from aiokafka import AIOKafkaProducer

from msr_stream.instants import DAY
from tests.benchmarks.envelopes import MARKERS, TOPIC, Case, Source, fill
from tests.benchmarks.filling import QUICK

#: Changes are written so many times a second; a marker once a second, as Debezium's heartbeat does.
_BEATS = 20


async def main(brokers: str, rate: int) -> None:
    """Write until nobody holds the standard input any more."""
    source = Source(Case("one tenant", tenants=1), QUICK.entities)
    end = _now()
    start = end - QUICK.days * DAY
    step = (end - start) // QUICK.events
    await fill(brokers, (source.change(start + number * step) for number in range(QUICK.events)))
    print(start, end, flush=True)
    ended = asyncio.ensure_future(asyncio.to_thread(sys.stdin.read))
    async with AIOKafkaProducer(bootstrap_servers=brokers, linger_ms=5) as producer:
        beat, due = 0, time.monotonic()
        while not ended.done():
            changes = [source.change(_now()) for _ in range(rate // _BEATS)]
            await asyncio.gather(*[await producer.send(TOPIC, value, key) for key, value in changes])
            if beat % _BEATS == 0:
                key, value = source.marker(_now())
                await producer.send_and_wait(MARKERS, value, key)
            beat, due = beat + 1, due + 1 / _BEATS
            await asyncio.wait({ended}, timeout=max(0.0, due - time.monotonic()))


def _now() -> int:
    return time.time_ns() // 1000


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
