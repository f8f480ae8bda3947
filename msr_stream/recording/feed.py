"""What the recorder needs of the broker, and nothing more: `msr_stream.transport` has the real one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from msr_stream.recording.progress import Run, Shard


class Session:
    """The reading of one shard from one seek on. Runs of an earlier session are refused.

    Attributes:
        outstanding: runs fetched and not yet done with; fetching pauses while there are `LIMIT`.
        fetched_to: the offset after what was fetched last; 0: nothing was.
    """

    LIMIT = 2

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self.outstanding = 0
        self.fetched_to = 0


class Delivery:
    """A run on its way, to be acknowledged once it is in the database, or holds nothing new."""

    __slots__ = ("acknowledge", "run", "session")

    def __init__(self, session: Session, run: Run) -> None:
        self.session = session
        self.run = run
        self.acknowledge: Callable[[], None] = lambda: None


class Feed(Protocol):
    """The broker, seen from a shard."""

    async def seek(self, shard: Shard, offset: int) -> Session:
        """Read the shard from this offset on; ends its earlier session."""
        ...

    def release(self, session: Session) -> None:
        """One more run of this session is done with."""
        ...

    async def beginnings(self, shards: Iterable[Shard]) -> Mapping[Shard, int]:
        """The first offset of each log."""
        ...

    async def ends(self, shards: Iterable[Shard]) -> Mapping[Shard, int]:
        """The offset after the last of each log."""
        ...

    async def topic_ids(self, topics: Iterable[str]) -> Mapping[str, str]:
        """The broker's ids of those topics that exist, as far as it gives ids: a topic made anew has another."""
        ...

    async def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]
    ) -> None:
        """Write a record and wait until the broker has it."""
        ...

    async def close(self) -> None:
        """Leave the broker."""
        ...
