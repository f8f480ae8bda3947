"""Segments: rendered once however many ask, shared by workers, bounded, and never wrong when Redis is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msr_local.ports import Ports
from msr_local.redis import Redis

from msr_stream.segments import MemoryShelf, RedisShelf, Segments, Shelf, key_of

KEY = key_of("a segment")


@pytest.fixture(params=["memory", "redis"])
async def shelves(request: pytest.FixtureRequest, redis: Redis) -> AsyncIterator[tuple[Shelf, Shelf]]:
    """The shelves of two workers: with Redis they share one, without there is one worker."""
    found: tuple[Shelf, Shelf]
    if request.param == "memory":
        found = (MemoryShelf(10_000_000),) * 2
    else:
        shelf = RedisShelf(redis.url, 60)
        await shelf._redis.flushall()
        found = shelf, RedisShelf(redis.url, 60)
    yield found
    for one in found:
        await one.close()


async def obtain(segments: Segments, rendered: list[bytes], body: bytes = b"the answer") -> bytes:
    """What a request does: find the segment, or render it."""
    if (found := await segments.find(KEY)) is not None:
        return found
    async with segments.rendering(KEY) as rendering:
        rendered.append(body)
        for piece in (body[:3], body[3:]):
            await asyncio.sleep(0.02)
            rendering.take(piece)
    return body


async def test_many_who_ask_at_once_are_one_rendering(shelves: tuple[Shelf, Shelf]) -> None:
    workers, rendered = [Segments(shelf, 1000) for shelf in shelves], list[bytes]()
    answers = await asyncio.gather(*(obtain(workers[n % 2], rendered) for n in range(50)))
    assert set(answers) == {b"the answer"}
    assert len(rendered) == 1


async def test_a_rendering_that_fails_leaves_nothing_and_the_next_one_renders(shelves: tuple[Shelf, Shelf]) -> None:
    segments, rendered = Segments(shelves[0], 1000), list[bytes]()

    async def cut() -> None:
        async with segments.rendering(KEY) as rendering:
            rendering.take(b"half of it")
            raise ConnectionResetError

    assert await segments.find(KEY) is None
    waiting = asyncio.create_task(obtain(Segments(shelves[1], 1000), rendered))
    with pytest.raises(ConnectionResetError):
        await cut()
    assert await waiting == b"the answer"
    assert len(rendered) == 1


async def test_what_is_too_large_is_answered_and_not_kept(shelves: tuple[Shelf, Shelf]) -> None:
    segments, rendered = Segments(shelves[0], 5), list[bytes]()
    for _ in range(2):
        assert await obtain(segments, rendered) == b"the answer"
    assert len(rendered) == 2


async def test_a_shelf_in_memory_keeps_what_was_asked_for_last() -> None:
    shelf = MemoryShelf(10)
    for name in ("a", "b"):
        await shelf.put(name, b"1234")
    assert await shelf.get("a") == b"1234"
    await shelf.put("c", b"1234")
    assert [await shelf.get(name) for name in ("a", "b", "c")] == [b"1234", None, b"1234"]


async def test_with_redis_away_everything_is_rendered(tmp_path: Path) -> None:
    """Before it was there, while it is killed, and after it is back: slower, never wrong."""
    server = Redis(tmp_path, Ports.unused().app)
    segments, rendered = Segments(RedisShelf(server.url, 60), 1000), list[bytes]()
    assert await obtain(segments, rendered) == b"the answer"
    assert await obtain(segments, rendered) == b"the answer"
    assert len(rendered) == 2
    server.start()
    try:
        await asyncio.to_thread(server.wait_ready)
        for _ in range(3):
            assert await obtain(segments, rendered) == b"the answer"
        assert len(rendered) == 3
        server.kill()
        assert await obtain(segments, rendered) == b"the answer"
        assert len(rendered) == 4
    finally:
        server.stop()
        await segments.close()


def test_a_key_tells_everything_apart_that_it_was_made_of() -> None:
    keys = {key_of(1, "t1", [1, 2]), key_of(1, "t2", [1, 2]), key_of(2, "t1", [1, 2]), key_of(1, "t1", [12])}
    assert len(keys) == 4
    assert key_of(1, "t1", [1, 2]) in keys
