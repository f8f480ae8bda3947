"""CDC runs to the history database, exactly once."""

from __future__ import annotations

from typing import Any

from faust import StreamT
from faust.types import TP
from mode import CrashingSupervisor

from msr_stream.app import MsrApp, app
from msr_stream.recording.progress import Shard


@app.agent(app.cdc_channel(), name="recorder", supervisor_strategy=CrashingSupervisor)
async def recorder(runs: StreamT[Any]) -> None:
    """Record every change, exactly once: each run goes to its shard's recorder, which acknowledges it once flushed."""
    stream: Any = runs
    async for event in stream.noack().events():
        delivery = event.value
        delivery.acknowledge = event.ack
        app.runtime.recorder.take(delivery)


@app.on_partitions_assigned.connect  # type: ignore[arg-type]
async def assigned(app: MsrApp, assigned: set[TP], **_: Any) -> None:
    """The group has given this worker shards."""
    app.runtime.recorder.assign(Shard(tp.topic, tp.partition) for tp in assigned if tp.topic in app.cdc_topics)


@app.on_partitions_revoked.connect  # type: ignore[arg-type]
async def revoked(app: MsrApp, revoked: set[TP], **_: Any) -> None:
    """The group takes shards away."""
    await app.runtime.recorder.revoke([Shard(tp.topic, tp.partition) for tp in revoked])


@app.on_before_shutdown.connect  # type: ignore[arg-type]
async def stopping(app: MsrApp, **_: Any) -> None:
    """The worker stops: flushes under way end, and open streams too."""
    await app.runtime.close()
