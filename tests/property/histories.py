"""Random histories: what happens at the sources, in the capture, at the broker and to the workers, step by step.

A history is plain data, so that hypothesis can shrink it and a failure prints it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

from hypothesis import strategies as st

#: When a transaction was committed, against the workers' clock, in microseconds; `None`: when the last one was.
MOMENTS: dict[str, int | None] = {
    "now": 0,
    "same": None,
    "late": -10_000_000,
    "yesterday": -86_400_000_000,
    "soon": 30_000_000,
    "future": 600_000_000,
}
#: Whose a row is, as JSON; `None`: the column is missing.
TENANTS = ('"t1"', '"t2"', "null", None)


@dataclass(frozen=True)
class Transaction:
    """How a change is committed and sent.

    `held` is a set of partitions, as bits, whose records stay in the producer for now; `low`: the
    transaction began before the last one that was sent, so its log numbers are lower.
    """

    moment: str = "now"
    joined: bool = False
    low: bool = False
    held: int = 0


@dataclass(frozen=True)
class Put:
    """Insert a row, or update it; `unchanged` are large columns, as bits, that an update leaves alone."""

    source: str
    table: int
    key: int
    tenant: str | None
    unchanged: int
    full: bool
    transaction: Transaction


@dataclass(frozen=True)
class Delete:
    """Delete a row; `before`: null, garbage (default replica identity) or full."""

    source: str
    table: int
    key: int
    before: str
    tombstone: bool
    transaction: Transaction


@dataclass(frozen=True)
class Rename:
    """Change a primary key; the large columns stay as they are."""

    source: str
    table: int
    key: int
    to: int
    transaction: Transaction


@dataclass(frozen=True)
class Copy:
    """Insert rows that share one sequence."""

    source: str
    table: int
    keys: tuple[int, ...]
    tenant: str | None
    transaction: Transaction


@dataclass(frozen=True)
class Snapshot:
    """Send every row of a table as a read."""

    source: str
    table: int
    incremental: bool


@dataclass(frozen=True)
class Poison:
    """A record that cannot be recorded."""

    kind: str
    partition: int


@dataclass(frozen=True)
class Crash:
    """The capture dies: what is held is gone, and it sends again from some records back."""

    source: str
    back: int
    null_first: bool


@dataclass(frozen=True)
class Restore:
    """The source is restored from a backup: its log numbers run backwards."""

    source: str


@dataclass(frozen=True)
class Simple:
    """A step without more to say.

    `repeat` an own-shape record; build a `keyframe` of every shard;
    `release` what is held; `marker`; `read` answers; `discover` a topic late.
    """

    what: str


@dataclass(frozen=True)
class Wait:
    """Let the workers work for some milliseconds; the clock moves on by some more."""

    milliseconds: int
    clock: int


@dataclass(frozen=True)
class Worker:
    """Something happens to a worker.

    `revoke` and replace it, `kill` and replace it, `again`: it gets its next run twice,
    `back`: its feed is set back.
    """

    what: str
    number: int
    amount: int


@dataclass(frozen=True)
class Loss:
    """A topic is made anew, or a log trimmed; with or without records that nobody has recorded."""

    source: str
    anew: bool
    lost: bool


Step: TypeAlias = (
    Put | Delete | Rename | Copy | Snapshot | Poison | Crash | Restore | Simple | Wait | Worker | Loss
)  # fmt: skip


@dataclass(frozen=True)
class History:
    """One example: the steps, and how the workers are; `small`: shards with fewer rows are read together."""

    steps: tuple[Step, ...]
    workers: int
    run_lengths: tuple[int, ...]
    cache: int
    slow: int
    wrapped: bool
    sequences: bool
    markers: bool
    first_null: bool
    topic_ids: bool
    small: int

    def __repr__(self) -> str:
        head = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if name != "steps")
        return f"History({head}, steps=(\n  " + ",\n  ".join(map(repr, self.steps)) + ",\n))"


_keys = st.integers(1, 4)
_sources = st.sampled_from(["d", "d", "d", "f", "g"])
_tables = st.sampled_from([0, 0, 0, 1, 1, 2])
_tenants = st.sampled_from([*TENANTS[:1] * 3, *TENANTS[1:2] * 3, *TENANTS[2:]])
_transactions = st.builds(
    Transaction,
    st.sampled_from(["now", "now", "now", *MOMENTS]),
    st.booleans(),
    st.sampled_from([False, False, True]),
    st.sampled_from([0, 0, 0, 1, 2, 3]),
)
_puts = st.builds(Put, _sources, _tables, _keys, _tenants, st.integers(0, 7), st.booleans(), _transactions)
_deletes = st.builds(
    Delete, _sources, _tables, _keys, st.sampled_from(["null", "garbage", "full"]), st.booleans(), _transactions
)
_captured = st.sampled_from(["d", "d", "d", "f"])
_renames = st.builds(Rename, _captured, _tables, _keys, _keys, _transactions)
_copies = st.builds(Copy, _captured, _tables, st.tuples(_keys, _keys, _keys), _tenants, _transactions)
_poisons = st.builds(
    Poison,
    st.sampled_from(["not-json", "no-key", "nul", "year", "operation", "too-long", "surrogate", "sequence"]),
    st.integers(0, 1),
)
_crashes = st.builds(Crash, _captured, st.integers(0, 12), st.booleans())
_happenings = st.one_of(
    st.builds(Worker, st.sampled_from(["revoke", "kill", "again", "back"]), st.integers(0, 2), st.integers(1, 9)),
    st.builds(Loss, _sources, st.booleans(), st.booleans()),
    st.builds(Restore, _captured),
    st.builds(Snapshot, _sources, _tables, st.booleans()),
)
_simple = st.builds(
    Simple, st.sampled_from(["repeat", "release", "marker", "read", "read", "keyframe", "keyframe", "discover"])
)
_waits = st.builds(Wait, st.sampled_from([0, 1, 5, 30]), st.sampled_from([0, 300, 2_000, 120_000]))
_steps: st.SearchStrategy[Step] = st.one_of(
    _puts, _puts, _puts, _puts, _deletes, _deletes, _renames, _renames, _copies, _poisons, _crashes, _crashes,
    _simple, _simple, _waits, _waits, _happenings, _happenings,
)  # fmt: skip

histories = st.builds(
    History,
    steps=st.lists(st.lists(_steps, max_size=12), max_size=12).map(lambda parts: tuple(chain.from_iterable(parts))),
    workers=st.integers(1, 3),
    run_lengths=st.lists(st.sampled_from([1, 2, 3, 5, 100]), min_size=1, max_size=5).map(tuple),
    cache=st.sampled_from([1000, 4]),
    slow=st.sampled_from([0, 0, 2, 20]),
    wrapped=st.booleans(),
    sequences=st.booleans(),
    markers=st.booleans(),
    first_null=st.booleans(),
    topic_ids=st.booleans(),
    small=st.sampled_from([0, 2000]),
)
