"""What a monitoring system asks: the instruments, and the port they are read on (names by Prometheus' conventions).

Counters count this worker's own work since it started. Where a shard stands is measured once in a while, not per run.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from msr_stream import instants
from msr_stream.errors import MsrError
from msr_stream.instants import SECOND

if TYPE_CHECKING:
    from msr_stream.recording.batch import Batch
    from msr_stream.recording.progress import Shard

#: Everything that is told; not the library's own global one, so that nobody else's figures get in.
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

_SHARD = ("topic", "partition")
_LONG = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


def _counter(name: str, text: str, labels: Sequence[str] = ()) -> Counter:
    return Counter(f"msr_{name}", text, labels, registry=REGISTRY)


def _gauge(name: str, text: str) -> Gauge:
    return Gauge(f"msr_{name}", text, registry=REGISTRY)


def _histogram(name: str, text: str, labels: Sequence[str] = ()) -> Histogram:
    return Histogram(f"msr_{name}_seconds", text, labels, buckets=_LONG, registry=REGISTRY)


_events = _counter("recorded_events", "Events recorded", _SHARD)
_copies = _counter("recorded_copies", "Records left out because the capture had sent them before", _SHARD)
_letters = _counter("dead_letters", "Records that could not be recorded", _SHARD)
_flushes = _histogram("flush_duration", "Time from a run derived to its transaction committed, with all retries")
_segments = _counter("segments", "Cached answers asked for", ("outcome",))
_answers = _counter("http_requests", "Requests answered; status `cut`: not to the end", ("method", "route", "status"))
_answering = _histogram("http_request_duration", "Time to the end of the answer", ("route",))

#: Time that reading the history for an answer takes, its rows sent: a slow reader counts.
QUERY_SECONDS = _histogram("query_duration", "Time to read and send the rows of an answer", ("query",))
#: Answers about the past that are under way.
REPLAYS = _gauge("replays_active", "Answers about the past under way")
#: How far the read replica is behind.
REPLICA_LAG = _gauge(
    "replica_lag_seconds", "Age of the newest transaction the read replica has replayed; 0: all, or there is none"
)
#: Sessions that this worker owns and that are ACTIVE: whoever owns them keeps it true.
SESSIONS = _gauge("sessions_active", "ACTIVE sessions owned by this worker")

#: Runs of retention that ended, by how.
RETENTION_RUNS = _counter("retention_runs", "Runs of retention: done, waiting (to be tried again), failed", ("state",))
RETENTION_PARTITIONS = _counter("retention_partitions", "Partitions dropped by retention")
RETENTION_BYTES = _counter("retention_bytes", "Bytes of the partitions dropped by retention")


def segment(outcome: str) -> None:
    """A cached answer was asked for: `hit` or `miss`."""
    _segments.labels(outcome).inc()


#: Intervals of recording that have ended though their table goes on.
_gaps = Gauge(
    "msr_coverage_gaps", "Gaps in the recording of shards: log lost, slot lost, topic made anew", ("source",),
    registry=REGISTRY,
)  # fmt: skip


def gaps(by_source: Mapping[str, int]) -> None:
    """Take note of how many gaps each source has."""
    for source, number in by_source.items():
        _gaps.labels(source).set(number)


def flushed(shard: Shard, batch: Batch, seconds: float) -> None:
    """A batch was committed."""
    labels = shard.topic, str(shard.partition)
    _flushes.observe(seconds)
    _events.labels(*labels).inc(len(batch.events))
    _copies.labels(*labels).inc(batch.copies)
    _letters.labels(*labels).inc(len(batch.dead_letters))


def answered(method: str, route: str, status: str, seconds: float) -> None:
    """A request was answered, or its answer cut.

    Args:
        method: one of HTTP's own.
        route: the address with its `{names}`, never what stands in their place.
        status: of the answer; `cut` if it did not come to its end.
        seconds: since the request was read.
    """
    _answers.labels(method, route, status).inc()
    _answering.labels(route).observe(seconds)


class Standing(NamedTuple):
    """Where a shard of this worker stands.

    Attributes:
        behind: records in its log that are not recorded yet.
        settled_until: the instant up to which it is settled; `None`: not yet.
    """

    shard: Shard
    behind: int
    settled_until: int | None


class Shards(Collector):
    """The lag of this worker's shards; those it has given up are not told.

    Attributes:
        standings: as they were measured last; replaced whole, because it is read from another thread.
    """

    def __init__(self) -> None:
        self.standings: tuple[Standing, ...] = ()

    def collect(self) -> Iterator[Metric]:
        """The figures of this moment."""
        behind = GaugeMetricFamily("msr_recorder_lag_records", "Records in the log not recorded yet", labels=_SHARD)
        settled = GaugeMetricFamily(
            "msr_recorder_lag_seconds", "How far the settled instant is behind the clock", labels=_SHARD
        )
        now = instants.now()
        for shard, records, settled_until in self.standings:
            labels = (shard.topic, str(shard.partition))
            behind.add_metric(labels, records)
            if settled_until is not None:
                settled.add_metric(labels, max(0, now - settled_until) / SECOND)
        yield behind
        yield settled


#: The lag of this worker's shards.
SHARDS = Shards()
REGISTRY.register(SHARDS)


def stand(standings: Iterable[Standing]) -> None:
    """Take note of where all shards of this worker stand."""
    SHARDS.standings = tuple(standings)


class Server:
    """The port they are read on: `/metrics`, without a token."""

    def __init__(self, server: Any, thread: threading.Thread) -> None:
        self._server, self._thread = server, thread

    async def stop(self) -> None:
        """Listen no more."""
        await asyncio.to_thread(self._server.shutdown)
        self._server.server_close()
        await asyncio.to_thread(self._thread.join)


def serve(port: int) -> Server:
    """Answer on a port of all addresses, in a thread.

    Raises:
        MsrError: the port is taken.
    """
    try:
        return Server(*start_http_server(port, registry=REGISTRY))
    except OSError as error:
        raise MsrError(f"METRICS_PORT: {port} cannot be listened on ({error}); wants a free port, or 0") from error
