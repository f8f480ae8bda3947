"""Where the rows of an answer go when several connections read them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

#: Takes what was read, piece by piece: lines of JSON, each after a comma.
Sink = Callable[[bytes], Awaitable[None]]
#: An answer is large from so many bytes on; a piece is small up to so many; and how long is paused then, seconds.
_LARGE, _GULP, _PAUSE = 256 * 1024, 64 * 1024, 0.002


class Paced:
    """A sink that lets the database get ahead of it, once an answer is large.

    The database sends 8 KB at a time. Whoever takes each piece as it comes spends more on taking than on the rows: with
    a pause there is a tenth as many pieces, and the answer is there sooner (tests/benchmarks/README.md).
    """

    def __init__(self, sink: Sink) -> None:
        self._sink, self._passed = sink, 0

    async def __call__(self, piece: bytes) -> None:
        """Pass a piece on; a small one of a large answer, and more has come meanwhile."""
        await self._sink(piece)
        self._passed += len(piece)
        if self._passed > _LARGE and len(piece) < _GULP:
            await asyncio.sleep(_PAUSE)


class OnePiece:
    """A sink that several may write to: it takes one piece after the other, each of whole lines."""

    def __init__(self, sink: Sink) -> None:
        self._sink, self._turns = sink, asyncio.Lock()

    async def __call__(self, piece: bytes) -> None:
        """Pass a piece on when the others are done with theirs."""
        async with self._turns:
            await self._sink(piece)


class Counted:
    """A sink that waits for its turn and counts what passes."""

    def __init__(self, sink: Sink, turn: Callable[[], Awaitable[None]]) -> None:
        self.bytes = 0
        self._sink, self._turn = sink, turn

    async def __call__(self, piece: bytes) -> None:
        """Pass a piece on when it is its turn."""
        await self._turn()
        self.bytes += len(piece)
        await self._sink(piece)


class InOrder:
    """Lets pieces of work that are done beside each other write one after the other, in the order of their tickets."""

    def __init__(self) -> None:
        self._issued = self._serving = 0
        self._moved = asyncio.Condition()

    def ticket(self) -> int:
        """The next place in the order."""
        self._issued += 1
        return self._issued - 1

    async def turn(self, ticket: int) -> None:
        """Wait until all with an earlier ticket have ended."""
        if self._serving != ticket:
            async with self._moved:
                await self._moved.wait_for(lambda: self._serving == ticket)

    async def end(self, ticket: int) -> None:
        """This one has written all it had."""
        await self.turn(ticket)
        async with self._moved:
            self._serving += 1
            self._moved.notify_all()
