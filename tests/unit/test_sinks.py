"""Where rows go on their way out of the database."""

from __future__ import annotations

import pytest

from msr_stream.store import sinks


async def test_small_pieces_of_a_large_answer_are_paused_after(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the database gets ahead; a small answer, and whoever gets large pieces anyway, wait for nothing."""
    paused: list[int] = []
    found: list[bytes] = []

    async def sink(piece: bytes) -> None:
        found.append(piece)

    async def pause(_: float) -> None:
        paused.append(len(found))

    monkeypatch.setattr("msr_stream.store.sinks.asyncio.sleep", pause)
    paced = sinks.Paced(sink)
    small, large = b"x" * 8_000, b"y" * 100_000
    pieces = [small] * 10 + [large] * 3 + [small, large, small]
    for piece in pieces:
        await paced(piece)
    assert found == pieces
    assert paused == [14, 16]
