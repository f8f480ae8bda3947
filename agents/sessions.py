"""Session commands to the sessions' owners; the database is the truth."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

import msgspec
from faust import StreamT

from msr_stream import instants, logs, metrics
from msr_stream.app import app
from msr_stream.errors import BadRequest
from msr_stream.instants import SECOND
from msr_stream.sessions import answer
from msr_stream.sessions.command import decode, encode, flush
from tables import sessions, timelines

log = logs.get(__name__)

#: Buffered ticks are flushed so often, seconds.
_FLUSH_EVERY = 0.5

commands = app.topic(
    f"{app.msr.app_id}-session-commands",
    key_type=bytes,
    key_serializer="raw",
    value_serializer="json",
    partitions=app.msr.session_partitions,
    internal=True,
)


@app.agent(commands, name="sessions")
async def session_commands(stream: StreamT[Any]) -> AsyncIterator[Mapping[str, Any]]:
    """Apply commands to sessions, each once; what must hold is in the database before the answer is given."""
    async for event in stream.events():
        yield await _handle(event.key, event.value, event.message.partition)


async def _handle(key: bytes, value: object, partition: int) -> Mapping[str, Any]:
    try:
        item = decode(value)
    except msgspec.ValidationError as error:
        return answer.failure(BadRequest(f"this is no command to a session: {error}"))
    copy, timeline = sessions.read(key, partition), timelines.read(key)
    given = await app.runtime.owner.handle(item, copy, timeline)
    sessions.write(key, copy)
    timelines.write(key, timeline, active=copy.session is not None and copy.session.active)
    return given


async def _ask(key: bytes, value: Mapping[str, Any]) -> Mapping[str, Any]:
    given: Mapping[str, Any] = await session_commands.ask(key=key, value=value)
    return given


async def _cast(key: bytes, value: Mapping[str, Any]) -> None:
    await session_commands.cast(key=key, value=value)


app.ask_owner, app.cast_owner = _ask, _cast


@app.timer(_FLUSH_EVERY)
async def flush_buffered() -> None:
    """Have the owned sessions flushed that have something buffered, or have not been touched for long."""
    tables: Any = app.tables
    if app.rebalancing or not tables.actives_ready:
        return
    long_ago = instants.now() - int(app.msr.session_timeout * SECOND)
    owned = sessions.owned(_owned_partitions())
    metrics.SESSIONS.set(sum(copy.session is not None and copy.session.active for _, copy in owned))
    for key, copy in owned:
        if copy.buffered or copy.touched < long_ago:
            try:
                await _cast(key, encode(flush(UUID(key.decode()))))
            except Exception as error:  # a timer's error would end the worker
                log.warning("a session is not flushed, trying again", session=key.decode(), error=repr(error))


def _owned_partitions() -> set[int]:
    assignor: Any = app.assignor
    return {tp.partition for tp in assignor.assigned_actives() if tp.topic == commands.get_topic_name()}
