"""How much one user may have under way at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from msr_stream.errors import TooManyRequests
from msr_stream.identity import Caller


class PerUser:
    """Counts what each user of a tenant has under way at this worker."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._under_way: Counter[tuple[str | None, str]] = Counter()

    @property
    def total(self) -> int:
        """What all users have under way."""
        return self._under_way.total()

    @contextmanager
    def hold(self, caller: Caller) -> Iterator[None]:
        """One more is under way until the block is left, in whichever way.

        Raises:
            TooManyRequests: the user has as many under way as one may have.
        """
        user = caller.tenant_id, caller.user_id
        if self._under_way[user] >= self._most:
            raise TooManyRequests(
                f"you have {self._most} answers under way, as many as one may have: let one of them end",
                headers={"Retry-After": "1"},
            )
        self._under_way[user] += 1
        try:
            yield
        finally:
            self._under_way[user] -= 1
            if not self._under_way[user]:
                del self._under_way[user]
