"""What the capture tells of its snapshots, kept once."""

from __future__ import annotations

from typing import Any

from faust import StreamT
from mode import CrashingSupervisor

from msr_stream.app import app


@app.agent(app.kept_topic(app.msr.notification_topic), name="notifications", supervisor_strategy=CrashingSupervisor)
async def snapshot_notifications(stream: StreamT[Any]) -> None:
    """Keep what the capture tells of its snapshots: acknowledged once it is in the database."""
    events: Any = stream
    async for event in events.noack().events():
        await app.runtime.notified(event.value)
        event.ack()
