"""What a reader has not taken: kept in order, within bounds, and gone with the answer."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from msr_stream import spool
from msr_stream.spool import Spool, Spools

MB = 1 << 20


@pytest.fixture(autouse=True)
def _little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_MEMORY", 1000)
    monkeypatch.setattr(spool, "_LOOK", 0.01)


def made(folder: Path, limit: int = MB, *, wanted: bool = False) -> tuple[Spools, Spool]:
    """A spool and the room it has."""
    spools = Spools(folder / "spool", limit)
    return spools, Spool(spools, lambda: wanted)


async def taken(one: Spool) -> bytes:
    """All of it."""
    pieces = []
    while (piece := await one.get()) is not None:
        pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize("seed", range(20))
async def test_what_is_put_comes_out_in_order_however_the_two_take_turns(tmp_path: Path, seed: int) -> None:
    """Through memory, the file, memory again, and pieces larger than either is meant for."""
    rng = random.Random(seed)
    spools, one = made(tmp_path, 20_000)
    pieces = [rng.randbytes(rng.choice([0, 1, 300, 900, 5000])) for _ in range(200)]
    found: list[bytes] = []

    async def put() -> None:
        for piece in pieces:
            await one.put(piece)
            if rng.random() < 0.1:
                await asyncio.sleep(0.001)
        one.finish()

    async def get() -> None:
        while (piece := await one.get()) is not None:
            found.append(piece)
            if rng.random() < 0.2:
                await asyncio.sleep(0.001)

    await asyncio.wait_for(asyncio.gather(put(), get()), 30)
    assert b"".join(found) == b"".join(pieces)
    await one.close()
    assert spools.used == 0
    assert not list((tmp_path / "spool").iterdir())


async def test_all_of_an_answer_is_put_before_anything_is_taken(tmp_path: Path) -> None:
    spools, one = made(tmp_path)
    for _ in range(50):
        await asyncio.wait_for(one.put(b"x" * 500), 5)
    one.finish()
    assert spools.used == 24_000
    assert await taken(one) == b"x" * 25_000
    assert spools.used == 0
    await one.close()


async def test_one_may_have_as_much_as_it_leaves_for_the_others(tmp_path: Path) -> None:
    spools = Spools(tmp_path, 9000)
    had = []
    for _ in range(2):
        one, before = Spool(spools, lambda: False), spools.used
        await one.put(b"x" * 1000)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_endless(one), 0.5)
        had.append(spools.used - before)
    assert had == [4500, 2300]


async def _endless(one: Spool) -> None:
    while True:
        await one.put(b"x" * 100)


async def test_without_room_a_reader_is_waited_for(tmp_path: Path) -> None:
    spools, one = made(tmp_path, 0)
    await one.put(b"a" * 1000)
    waiting = asyncio.create_task(one.put(b"b"))
    await asyncio.wait({waiting}, timeout=0.05)
    assert not waiting.done()
    assert await one.get() == b"a" * 1000
    await asyncio.wait_for(waiting, 5)
    assert spools.used == 0
    await one.close()


async def test_without_room_a_reader_is_given_up_when_others_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "_PATIENCE", 0.05)
    _, one = made(tmp_path, 0, wanted=True)
    await one.put(b"a" * 1000)
    with pytest.raises(ConnectionAbortedError, match="others wait"):
        await asyncio.wait_for(one.put(b"b"), 5)
    await one.close()


async def test_a_disk_that_takes_nothing_is_as_none(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    spools, one = made(tmp_path)

    async def put() -> None:
        for _ in range(20):
            await one.put(b"x" * 500)
        one.finish()

    _, found = await asyncio.wait_for(asyncio.gather(put(), taken(one)), 20)
    assert len(found) == 10_000
    assert spools.used == 0
    await one.close()


async def test_whoever_puts_hears_that_the_reader_has_gone(tmp_path: Path) -> None:
    spools, one = made(tmp_path, 4000)
    await one.put(b"x" * 1000)
    await one.put(b"x" * 1500)
    waiting = asyncio.create_task(one.put(b"x" * 1500))
    await asyncio.wait({waiting}, timeout=0.05)
    one.fail(ConnectionResetError())
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(waiting, 5)
    await one.close()
    with pytest.raises(ConnectionResetError):
        await one.put(b"x")
    assert spools.used == 0


async def test_a_put_that_is_cancelled_half_way_leaves_nothing_behind(tmp_path: Path) -> None:
    for _ in range(20):
        spools, one = made(tmp_path)
        await one.put(b"x" * 1000)
        putting = asyncio.create_task(one.put(b"x" * 400_000))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        putting.cancel()
        await asyncio.gather(putting, return_exceptions=True)
        await one.close()
        assert spools.used == 0
