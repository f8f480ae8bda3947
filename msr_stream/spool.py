"""What was rendered for a reader who has not taken it yet: a little in memory, more of it on disk, within bounds.

So an answer is read from the database at the database's speed, and gives its turn back, however slowly it is taken.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from msr_stream import logs

log = logs.get(__name__)
T = TypeVar("T")

#: Bytes of an answer that lie in memory, at most; a single piece may be larger.
_MEMORY = 1 << 20
#: Bytes that are read from disk at a time.
_PIECE = 256 * 1024
#: How long an answer for which there is no room may have others wait for its turn, seconds.
_PATIENCE = 5.0
_LOOK = 0.25


class Spools:
    """The room on disk that the answers of one worker share.

    Args:
        folder: where it is.
        limit: bytes in all; 0: none, answers wait for their readers.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._limit, self.used = folder, limit, 0

    def may_take(self, has: int, more: int) -> bool:
        """Whether an answer that has so many bytes here may have more of them.

        One may have as much as it leaves for the others (dynamic thresholds, Choudhury and Hahne, IEEE/ACM Transactions
        on Networking 6(2), 1998): a single slow reader gets half of it, two a third each, and some is always left.
        """
        return has + more <= self._limit - self.used

    def file(self) -> int:
        """A new file without a name, which is gone once it is closed.

        Raises:
            OSError: there is none to be had.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self._folder, buffering=0) as file:
            return os.dup(file.fileno())


class Spool:
    """The pieces of one answer, first in, first out; one task puts, another gets.

    Args:
        spools: the room that it shares.
        wanted: whether others wait for the turn of whoever puts.
    """

    def __init__(self, spools: Spools, wanted: Callable[[], bool]) -> None:
        self._spools, self._wanted = spools, wanted
        self._memory: deque[bytes] = deque()
        self._held = 0
        # Pieces go to the file as long as there are some in it: those in memory are always the older ones.
        self._file: int | None = None
        self._read = self._written = 0
        self._disk, self._moved = asyncio.Lock(), asyncio.Event()
        self._work: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._work.set_result(None)
        self._ended = False
        self._error: BaseException | None = None

    async def put(self, piece: bytes) -> None:
        """Add a piece, as soon as there is room for it.

        Raises:
            ConnectionAbortedError: there is none, and others wait.
            BaseException: what `fail` was given.
        """
        clock, waited = asyncio.get_running_loop().time, 0.0
        while not await self._added(piece):
            begun = clock()
            await self._move(_LOOK)
            waited += clock() - begun if self._wanted() else 0.0
            if waited > _PATIENCE:
                raise ConnectionAbortedError("its reader is slow, there is no room left, and others wait for its turn")

    async def get(self) -> bytes | None:
        """The next piece, as soon as there is one; `None` after the last."""
        while True:
            if self._memory:
                piece = self._memory.popleft()
                self._held -= len(piece)
                self._moved.set()
                return piece
            if self._read < self._written:
                return await self._from_disk()
            if self._ended:
                return None
            await self._move(None)

    def finish(self) -> None:
        """No more is put."""
        self._ended = True
        self._moved.set()

    def fail(self, error: BaseException) -> None:
        """No more is taken: whoever puts gets this error."""
        self._error = error
        self._moved.set()

    async def close(self) -> None:
        """Give the room back."""
        async with self._disk:
            self._memory.clear()
            self._empty()
            await asyncio.gather(self._work, return_exceptions=True)
            if self._file is not None:
                os.close(self._file)
                self._file = None

    async def _added(self, piece: bytes) -> bool:
        self._check()
        if not piece:
            return True
        if self._read == self._written and (not self._memory or self._held + len(piece) <= _MEMORY):
            self._memory.append(piece)
            self._held += len(piece)
        elif not await self._to_disk(piece):
            return False
        self._moved.set()
        return True

    async def _to_disk(self, piece: bytes) -> bool:
        async with self._disk:
            self._check()
            if not self._spools.may_take(self._written, len(piece)):
                return False
            self._spools.used += len(piece)
            try:
                await self._in_thread(self._write, piece)
            except BaseException as error:
                self._spools.used -= len(piece)
                if not isinstance(error, OSError):
                    raise
                log.warning("what a slow reader has not taken cannot be kept on disk", error=str(error))
                return False
            self._written += len(piece)
            return True

    def _write(self, piece: bytes) -> None:
        if self._file is None:
            self._file = self._spools.file()
        done = 0
        while done < len(piece):
            done += os.pwrite(self._file, memoryview(piece)[done:], self._written + done)

    async def _from_disk(self) -> bytes:
        async with self._disk:
            assert self._file is not None
            piece = await self._in_thread(os.pread, self._file, min(_PIECE, self._written - self._read), self._read)
            self._read += len(piece)
            if self._read == self._written:
                os.ftruncate(self._file, 0)
                self._empty()
            self._moved.set()
            return piece

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Work on the file; it is not closed before that has ended, also if nobody waits for it any more."""
        work_under_way = self._work = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
        return await asyncio.shield(work_under_way)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _empty(self) -> None:
        self._spools.used -= self._written
        self._read = self._written = 0

    async def _move(self, limit: float | None) -> None:
        """Wait until something was put or taken, or for so many seconds."""
        self._moved.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._moved.wait(), limit)
