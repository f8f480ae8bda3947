"""Connections that the broker has closed, as uvloop tells it."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import conn
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from msr_stream.app import app
from msr_stream.errors import MsrError
from msr_stream.fetching import RunThread
from msr_stream.kafka_connection import Connection


class ClosedWriter:
    """What uvloop has of a connection whose other end was killed, before its reader has heard of it."""

    def write(self, _: bytes) -> None:
        """Refuse, in uvloop's words."""
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    def close(self) -> None:
        """It is."""


@pytest.mark.parametrize(("send", "given"), [("send", MetadataRequest([])), ("_send_sasl_token", b"a token")])
async def test_a_connection_that_is_closed_is_an_error_of_the_brokers(send: str, given: Any) -> None:
    connection: Any = Connection("127.0.0.1", 9)
    connection._writer, connection._reader = ClosedWriter(), SimpleNamespace(at_eof=lambda: False)
    connection._read_task = asyncio.ensure_future(asyncio.sleep(0))
    connection._versions = {MetadataRequest.API_KEY: (0, 5)}
    assert connection.connected()
    with pytest.raises(KafkaConnectionError, match="is gone: unable to perform"):
        getattr(connection, send)(given)
    assert not connection.connected()


def test_every_client_of_a_worker_uses_such_connections() -> None:
    assert app.conf.id == "msr"
    assert conn.AIOKafkaConnection is Connection


async def _fails() -> None:
    raise RuntimeError("why")


async def test_a_client_of_which_a_part_has_ended_is_not_waited_for() -> None:
    running, ended = asyncio.ensure_future(asyncio.sleep(60)), asyncio.ensure_future(_fails())
    await asyncio.wait({ended})

    async def fetch(metadata: Any, group: Any) -> Any:
        thread = RunThread.__new__(RunThread)
        thread.__dict__ |= {"sessions": {}, "_changed": None, "consumer": SimpleNamespace(flow_active=True)}
        subscriptions = SimpleNamespace(fetch_context=contextlib.nullcontext, reassignment_in_progress=True)
        consumer = SimpleNamespace(
            _closed=False,
            _fetcher=SimpleNamespace(_closed=False, _subscriptions=subscriptions),
            _client=SimpleNamespace(_sync_task=metadata),
            _coordinator=SimpleNamespace(_coordination_task=group),
        )
        return await thread._fetch_records(consumer, set())

    assert await fetch(running, running) == {}
    with pytest.raises(MsrError, match=r"nobody looks after metadata .*why"):
        await fetch(ended, running)
    with pytest.raises(MsrError, match="nobody looks after the group"):
        await fetch(running, ended)
    running.cancel()
