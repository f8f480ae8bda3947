"""Segments: answers about the past that never change, rendered once, compressed, and kept for whoever asks next.

A segment's key holds all that its content depends on: the history epoch, the tenant, the resolved instants, filters,
media type and encoding. Erasure and retention raise the epoch, so that older segments are never found again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import blake2b
from typing import Any, Protocol

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from msr_stream import logs, metrics
from msr_stream.settings import Settings

log = logs.get(__name__)

#: How long a rendering may be waited for before somebody else renders too, seconds.
_PATIENCE = 10.0
_POLL = 0.02


def key_of(*parts: object) -> str:
    """The key of what depends on these, and on nothing else."""
    return "msr:segment:" + blake2b(orjson.dumps(parts), digest_size=20).hexdigest()


class Shelf(Protocol):
    """Where segments are kept; what it has lost is rendered again."""

    async def get(self, key: str) -> bytes | None:
        """The segment, if it is there."""
        ...

    async def put(self, key: str, body: bytes) -> None:
        """Keep a segment, and let the claim to it go."""
        ...

    async def claim(self, key: str) -> bool:
        """Whether nobody else is rendering it; the claim ends by itself after a while."""
        ...

    async def let_go(self, key: str) -> None:
        """It is not going to be put."""
        ...

    async def close(self) -> None:
        """Leave."""
        ...


class MemoryShelf:
    """A shelf of one worker: the segments asked for last, so many bytes in all."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._segments: OrderedDict[str, bytes] = OrderedDict()
        self._claimed: set[str] = set()

    async def get(self, key: str) -> bytes | None:
        """The segment, if it is there."""
        body = self._segments.get(key)
        if body is not None:
            self._segments.move_to_end(key)
        return body

    async def put(self, key: str, body: bytes) -> None:
        """Keep a segment; those not asked for longest make room."""
        self._claimed.discard(key)
        self._size += len(body) - len(self._segments.pop(key, b""))
        self._segments[key] = body
        while self._size > self._limit:
            self._size -= len(self._segments.popitem(last=False)[1])

    async def claim(self, key: str) -> bool:
        """Whether nobody else is rendering it."""
        if key in self._claimed:
            return False
        self._claimed.add(key)
        return True

    async def let_go(self, key: str) -> None:
        """It is not going to be put."""
        self._claimed.discard(key)

    async def close(self) -> None:
        """Nothing to leave."""


class RedisShelf:
    """A shelf that workers share. While Redis is away there is none: everything is rendered, nothing is wrong.

    Args:
        url: of Redis.
        lifetime: seconds after which a segment goes.
    """

    def __init__(self, url: str, lifetime: float) -> None:
        self._redis = Redis.from_url(url, socket_timeout=1.0, socket_connect_timeout=0.5)
        self._lifetime = int(lifetime)
        self._away = False

    async def get(self, key: str) -> bytes | None:
        """The segment, if it is there."""
        try:
            body: Any = await self._redis.get(key)
        except (RedisError, OSError, TimeoutError) as error:
            self._say(error)
            return None
        self._away = False
        return body  # type: ignore[no-any-return]

    async def put(self, key: str, body: bytes) -> None:
        """Keep a segment."""
        try:
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.set(key, body, ex=self._lifetime)
                pipeline.delete(f"{key}:claim")
                await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            self._say(error)

    async def claim(self, key: str) -> bool:
        """Whether nobody else is rendering it; the claim of who has died ends by itself."""
        try:
            return bool(await self._redis.set(f"{key}:claim", b"1", nx=True, ex=int(_PATIENCE)))
        except (RedisError, OSError, TimeoutError) as error:
            self._say(error)
            return True

    async def let_go(self, key: str) -> None:
        """It is not going to be put."""
        try:
            await self._redis.delete(f"{key}:claim")
        except (RedisError, OSError, TimeoutError) as error:
            self._say(error)

    async def close(self) -> None:
        """Leave Redis."""
        await self._redis.aclose()

    def _say(self, error: BaseException) -> None:
        if not self._away:
            log.warning("Redis is away: segments are rendered anew", error=repr(error))
        self._away = True


def shelf(settings: Settings) -> Shelf:
    """The shelf that the settings describe: Redis if its address is set, else this worker's memory."""
    if url := settings.redis_url.get_secret_value():
        return RedisShelf(url, settings.segment_lifetime)
    return MemoryShelf(settings.segment_memory_mb << 20)


class Rendering:
    """A segment on its way: takes what is sent to the first who asked."""

    def __init__(self, largest: int) -> None:
        self._largest, self._size = largest, 0
        self._pieces: list[bytes] | None = []

    def take(self, piece: bytes) -> None:
        """One more piece, as it is sent; what grows too large is not kept."""
        if self._pieces is None:
            return
        self._size += len(piece)
        self._pieces = None if self._size > self._largest else [*self._pieces, piece]

    def drop(self) -> None:
        """It is not kept."""
        self._pieces = None

    @property
    def body(self) -> bytes | None:
        """All of it; `None` if it is too large to be kept, or was dropped."""
        return None if self._pieces is None else b"".join(self._pieces)


class Segments:
    """Gives segments, each rendered once however many ask for it at the same time.

    Args:
        shelf: where they are kept.
        largest: bytes of a segment, at most; larger answers are not kept.
    """

    def __init__(self, shelf: Shelf, largest: int) -> None:
        self._shelf, self._largest = shelf, largest

    async def find(self, key: str) -> bytes | None:
        """A segment; who finds none waits for one that is being rendered, and gets the claim otherwise."""
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        while asyncio.get_running_loop().time() < deadline:
            body = await self._shelf.get(key)
            if body is not None:
                metrics.segment("hit")
                return body
            if await self._shelf.claim(key):
                if (body := await self._shelf.get(key)) is None:  # it may have been put between the two
                    break
                await self._shelf.let_go(key)
                continue
            await asyncio.sleep(_POLL)
        metrics.segment("miss")
        return None

    @asynccontextmanager
    async def rendering(self, key: str) -> AsyncIterator[Rendering]:
        """Around the rendering of a segment that was not found: it is kept if it comes to its end."""
        rendering = Rendering(self._largest)
        body: bytes | None = None
        try:
            yield rendering
            body = rendering.body
        finally:
            if body is None:
                await asyncio.shield(self._shelf.let_go(key))
            else:
                await asyncio.shield(self._shelf.put(key, body))

    async def close(self) -> None:
        """Leave the shelf."""
        await self._shelf.close()
