"""The Faust application: `faust -A msr_stream.app worker`.

It knows neither agents nor views by name: Faust's discovery imports their packages, which register themselves.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from typing import Any
from weakref import WeakSet

import faust
from aiokafka.admin import AIOKafkaAdminClient
from faust.sensors.prometheus import FaustMetrics, PrometheusMonitor
from faust.web.base import BlueprintManager
from mode.utils.objects import cached_property
from mode.utils.queues import ThrowableQueue

from msr_stream import brokers, kafka_connection, logs, metrics, settings
from msr_stream.errors import SettingsError
from msr_stream.kafka_feed import KafkaFeed
from msr_stream.replies import Replies
from msr_stream.runtime import Runtime
from msr_stream.sessions.asking import Ask, Cast
from msr_stream.transport import Transport

log = logs.get(__name__)


class KeptTopic(faust.Topic):
    """A topic whose messages wait until their agent takes them.

    Faust empties its queues when tables have been recovered, also of what was read after the last seek: of such a
    message nobody would know before the next rebalance (`mode.utils.queues.FlowControlEvent.resume`).
    """

    @property
    def queue(self) -> ThrowableQueue[Any]:
        """Where they wait; emptied when partitions are revoked: their next owner reads them."""
        if self._queue is None:
            self._queue = self.app.FlowControlQueue(self.maxsize or self.app.conf.stream_buffer_maxsize)
            self.app.kept_queues.add(self._queue)  # type: ignore[attr-defined]
        return self._queue


class CdcTopics(KeptTopic):
    """The CDC topics, whichever there are now: what discovery finds, every clone of the channel sees at once."""

    @property  # type: ignore[override]
    def topics(self) -> list[str]:
        """Their names."""
        return self.app.cdc_topics  # type: ignore[attr-defined, no-any-return]

    @topics.setter
    def topics(self, names: Any) -> None:
        """Faust sets what it was given; discovery knows better."""


class MsrApp(faust.App):
    """A worker: Faust's application with runs as its transport and the parts of `Runtime`.

    Attributes:
        runtime: what this worker is made of; there once it starts.
        cdc_topics: the CDC topics that there are now.
        kept_queues: of the topics of which nothing may be missed.
        ask_owner: sends a command to a session's owner and waits for the answer; the agent brings it.
        cast_owner: sends one that nobody waits for.
    """

    runtime: Runtime
    ask_owner: Ask
    cast_owner: Cast
    _reply_consumer = cached_property(lambda self: Replies(self, loop=self.loop, beacon=self.beacon))

    def __init__(self, *args: Any, msr: settings.Settings, **kwargs: Any) -> None:
        kafka_connection.install()
        self.msr = msr
        self.cdc_topics: list[str] = []
        self.kept_queues: WeakSet[ThrowableQueue[Any]] = WeakSet()
        self._read_in_runs: set[str] = set()
        self._metrics: metrics.Server | None = None
        super().__init__(*args, **kwargs)
        self.on_partitions_revoked.connect(self._empty_kept)

    def is_cdc(self, topic: str) -> bool:
        """Whether a topic is read in runs: it is a CDC topic, or was one since this worker began."""
        return topic in self._read_in_runs

    def cdc_channel(self) -> CdcTopics:
        """The channel of all CDC topics."""
        return CdcTopics(self, key_serializer="raw", value_serializer="raw")

    def kept_topic(self, name: str) -> KeptTopic:
        """A topic of one partition, made if it is not there, of which no message may be missed."""
        return KeptTopic(self, topics=[name], key_serializer="raw", value_serializer="raw", partitions=1, internal=True)

    async def _empty_kept(self, *_: Any, **__: Any) -> None:
        for queue in self.kept_queues:
            queue.clear()

    async def on_first_start(self) -> None:
        """Put the worker together, and begin what it does beside its streams."""
        await super().on_first_start()
        # Runs are many small objects that live for a moment: collecting garbage less often saves a tenth of the CPU.
        gc.freeze()
        gc.set_threshold(20_000, 10, 10)
        logs.configure(self.msr.log_level, self.msr.log_format)
        feed = KafkaFeed(self, brokers.client_arguments(self.msr))
        self.runtime = Runtime(self.msr, feed, self.crash, self.ask_owner, self.cast_owner)
        if self.msr.metrics_port:
            self._metrics = metrics.serve(self.msr.metrics_port)
        self.add_future(self.runtime.prepare())
        self.add_future(self.runtime.keep_up(self._admin, self._on_topics))

    async def on_shutdown(self) -> None:
        """Leave the database last."""
        await self.runtime.close()
        if self._metrics is not None:
            await self._metrics.stop()
        await super().on_shutdown()

    async def _on_topics(self, topics: Mapping[str, int]) -> None:
        """Other topics than before: subscribe to them at once (Faust's own way waits 45 s)."""
        self.runtime.recorder.partitions = dict(topics)
        self.cdc_topics = list(topics)
        self._read_in_runs.update(topics)
        conductor: Any = self.topics
        if conductor._subscription_changed is not None:  # noqa: SLF001 - set once the first subscription is made
            await self.consumer.subscribe(await conductor._update_indices())  # noqa: SLF001

    def _admin(self) -> AIOKafkaAdminClient:
        return AIOKafkaAdminClient(**brokers.client_arguments(self.msr))

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)


def build(msr: settings.Settings) -> MsrApp:
    """The application that the settings describe."""
    session = msr.group_session_timeout
    app = MsrApp(
        msr.app_id,
        msr=msr,
        broker=";".join(f"kafka://{broker}" for broker in msr.kafka_brokers),
        broker_credentials=brokers.credentials(msr),
        origin="msr_stream",
        autodiscover=["agents", "tables", "web"],
        store="memory://",
        datadir=msr.data_dir,
        # Short rebalances (faust.md, section 5): a dead worker is noticed after one session timeout.
        broker_session_timeout=session,
        broker_heartbeat_interval=session / 5,
        broker_rebalance_timeout=session * 2,
        broker_request_timeout=session * 2,
        broker_commit_interval=1.0,
        consumer_max_fetch_size=msr.fetch_max_bytes,
        consumer_metadata_max_age_ms=3000,
        consumer_auto_offset_reset="earliest",
        producer_max_request_size=msr.message_max_bytes,
        producer_linger=0.0,  # a command and its answer wait for it, each
        # What is not in the database is read again from the offset that the database has: nothing to wait for.
        stream_wait_empty=False,
        table_standby_replicas=0,
        topic_partitions=msr.session_partitions,
        topic_replication_factor=msr.topic_replication_factor,
        # A name that stays: Faust's default makes a topic for every start of a worker.
        reply_to=f"{msr.app_id}-replies-{msr.worker}",
        reply_create_topic=True,
        web_tables_enabled=False,
        web_port=msr.app_port,
        web_application_options={"client_max_size": 1 << 20},
        worker_redirect_stdouts=False,
    )
    if msr.metrics_port:
        app.monitor = PrometheusMonitor(metrics=FaustMetrics.create(metrics.REGISTRY, "msr_faust"))
    app.web.blueprints = BlueprintManager([])  # Faust's own pages: ours alone are served
    return app


def _build() -> MsrApp:
    try:
        return build(settings.current())
    except SettingsError as error:
        raise SystemExit(f"msr: {error}") from None


app = _build()
