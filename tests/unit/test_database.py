"""What is tried again while the history database is away, and what is not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from msr_stream.app import app
from msr_stream.store.database import Database


def _failing_once(error: Exception) -> tuple[list[Exception], Callable[[], Awaitable[str]]]:
    left = [error]

    async def work() -> str:
        if left:
            raise left.pop()
        return "done"

    return left, work


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError("nobody there"),
        RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed"),
    ],
    ids=["away", "closed, in the words of uvloop"],
)
async def test_a_database_that_is_away_is_asked_again(error: Exception) -> None:
    left, work = _failing_once(error)
    assert await Database(app.msr).retry("a test", work) == "done"
    assert not left


async def test_no_other_error_is_taken_for_its_absence() -> None:
    _, work = _failing_once(RuntimeError("ours"))
    with pytest.raises(RuntimeError, match="ours"):
        await Database(app.msr).retry("a test", work)
