"""Asks a session's owner, on whichever worker it is: bounded, and safe to repeat under the same command id."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msr_stream import logs
from msr_stream.errors import Unavailable
from msr_stream.sessions import answer
from msr_stream.sessions.command import Command, encode

log = logs.get(__name__)

#: Sends a command to the topic by key; the answer comes back (`ask`), or nothing is waited for (`cast`).
Ask = Callable[[bytes, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
Cast = Callable[[bytes, Mapping[str, Any]], Awaitable[None]]

#: Seconds until a command without an answer is sent again: its owner has died, or shares are being changed.
_TRY = 4.0


class Asker:
    """The way to the owners.

    Args:
        ask: sends a command and waits for its answer.
        cast: sends a command.
        patience: seconds after which the caller gets 503: longer than a dead worker is believed to live.
        stopping: set when this worker stops; it will get no answers any more.
    """

    def __init__(self, ask: Ask, cast: Cast, patience: float, stopping: asyncio.Event) -> None:
        self._ask, self._cast, self._patience, self._stopping = ask, cast, patience, stopping

    async def ask(self, item: Command) -> Any:
        """What the owner answers.

        Raises:
            RequestError: what the owner raised.
            Unavailable: no owner has answered in time; the same command may be sent again.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            while (left := deadline - loop.time()) > 0 and not self._stopping.is_set():
                asking = asyncio.ensure_future(self._ask(_key(item), encode(item)))
                try:
                    await asyncio.wait({asking, stopping}, timeout=min(_TRY, left), return_when="FIRST_COMPLETED")
                    if asking.done():
                        return answer.result(asking.result())
                finally:
                    asking.cancel()
                log.info("no answer from the session's owner", session=str(item.session_id), command=str(item.id))
        finally:
            stopping.cancel()
        raise Unavailable("the session's owner does not answer", headers={"Retry-After": "2"})

    async def cast(self, item: Command) -> None:
        """Send a command that nobody waits for."""
        await self._cast(_key(item), encode(item))


def _key(item: Command) -> bytes:
    return str(item.session_id).encode()
