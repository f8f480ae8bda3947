"""Connections to the broker that say so when they are gone.

uvloop's transports raise `RuntimeError` at whatever is written to them once the other end has closed them, where
asyncio's drop it. aiokafka 0.14.0 (`aiokafka/conn.py`) expects `OSError`: the task that keeps the cluster's metadata
ended when a broker was killed at the wrong moment, and everything that waits for metadata hung for ever.
"""

from __future__ import annotations

from typing import Any

from aiokafka import conn
from aiokafka.errors import KafkaConnectionError


class Connection(conn.AIOKafkaConnection):  # type: ignore[misc]
    """aiokafka's, for both event loops."""

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """Send a request; returns its answer, to be awaited.

        Raises:
            KafkaConnectionError: the connection is gone.
        """
        try:
            return super().send(request, expect_response)
        except RuntimeError as error:
            raise self._gone(error) from error

    def _send_sasl_token(self, payload: bytes, expect_response: bool = True) -> Any:
        try:
            return super()._send_sasl_token(payload, expect_response)
        except RuntimeError as error:
            raise self._gone(error) from error

    def _gone(self, error: RuntimeError) -> KafkaConnectionError:
        self.close(reason=conn.CloseReason.CONNECTION_BROKEN)
        return KafkaConnectionError(f"the connection to {self.host}:{self.port} is gone: {error}")


def install() -> None:
    """Have every client of this process use them."""
    conn.AIOKafkaConnection = Connection
