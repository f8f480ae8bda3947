"""Dead letters in the database: read by administrators, held while they are retried."""

from __future__ import annotations

import base64
import codecs
from collections.abc import Sequence
from typing import Any, NamedTuple

from msr_stream import instants
from msr_stream.paging import Page
from msr_stream.recording.progress import Progress, Shard
from msr_stream.records.change import Change, DeadLetter
from msr_stream.records.shapes import Inner
from msr_stream.store import queries
from msr_stream.store.database import Connection, Database
from msr_stream.store.history import progress_of
from msr_stream.store.letters import headers_from

_sql = queries.load("dead_letters")

#: So many bytes of a key or a value are shown.
SHOWN = 4096


class Held(NamedTuple):
    """A dead letter, and its shard, which nobody else writes meanwhile.

    Attributes:
        shard: where it came from.
        partitions: how many the shard's topic has.
        progress: the shard's.
        stopped: why the shard is not recorded, if it is not.
        retired: whether the shard is retired.
        state: `kept`, `recorded` or `superseded`.
        reason: why it is one; once it is dealt with, what has become of it.
        record: as the broker had it.
    """

    shard: Shard
    partitions: int
    progress: Progress
    stopped: str | None
    retired: bool
    state: str
    reason: str
    record: Inner


class DeadLetters:
    """The table of dead letters."""

    SORTABLE = ("created_at", "id", "topic", "partition", "offset", "code", "table", "entity", "state")

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, page: Page, *, source: str | None, table: str | None, code: str | None, state: str | None
    ) -> tuple[list[dict[str, Any]], int]:
        """One page, and how many there are in all."""
        chosen = (source, table, code, state)
        async with self._database.serving() as connection:
            query = _sql["page"].format(order_by=page.order_by("id"))
            found = await connection.fetch(query, *chosen, SHOWN, page.size, page.offset)
            total = found[0]["total"] if found else await connection.fetchval(_sql["count"], *chosen)
        return [_entry(row) for row in found], total

    async def in_order(self, ids: Sequence[int]) -> list[int]:
        """Those of these that exist, as they came."""
        async with self._database.serving() as connection:
            found = await connection.fetch(_sql["in_order"], list(ids))
        return [row["dead_letter_id"] for row in found]

    @staticmethod
    async def hold(connection: Connection, letter_id: int) -> Held:
        """A letter as it is now, its shard locked until the transaction ends."""
        shard = await connection.fetchrow(_sql["hold_shard"], letter_id)
        letter = await connection.fetchrow(_sql["letter"], letter_id)  # a statement of its own: sees what it waited for
        record = Inner(
            letter["record_offset"], letter["record_timestamp"], letter["record_key"], letter["record_value"],
            headers_from(letter["record_headers"]),
        )  # fmt: skip
        return Held(
            Shard(shard["topic"], shard["partition"]), shard["partitions"], progress_of(shard), shard["stopped"],
            shard["retired_at"] is not None, letter["state"], letter["outcome"] or letter["reason"], record,
        )  # fmt: skip

    @staticmethod
    async def superseded_by(connection: Connection, shard_id: int, change: Change) -> str | None:
        """Why a change comes too late, if it does."""
        why: str | None = await connection.fetchval(
            _sql["superseded_by"], shard_id, change.table_name, change.entity_id, change.lsn, change.txid,
            change.commit_lsn, change.source_time,
        )  # fmt: skip
        return why

    @staticmethod
    async def keep(connection: Connection, letter_id: int, letter: DeadLetter) -> None:
        """It stays one, for this reason."""
        identity = letter.identity or (None, None, None, None)
        await connection.execute(_sql["keep"], letter_id, letter.code, letter.reason.replace("\0", "\\0"), *identity)

    @staticmethod
    async def resolve(connection: Connection, letter_id: int, state: str, outcome: str) -> None:
        """It is dealt with."""
        await connection.execute(_sql["resolve"], letter_id, state, outcome)


def shown(beginning: bytes | None, size: int | None) -> dict[str, Any] | None:
    """Bytes as a person may read them: UTF-8 text, or base64; `cut` if there are more than these.

    Args:
        beginning: the first of them; `None`: there is no such value.
        size: how many there are in all.
    """
    if beginning is None or size is None:
        return None
    cut = size > len(beginning)
    try:
        # A character may be cut in two at the end.
        text = codecs.getincrementaldecoder("utf-8")().decode(beginning, final=not cut)
    except UnicodeDecodeError:
        return {"text": base64.b64encode(beginning).decode(), "encoding": "base64", "cut": cut}
    return {"text": text, "encoding": "utf-8", "cut": cut}


def _entry(row: Any) -> dict[str, Any]:
    entry = {name: value for name, value in row.items() if name not in ("total", "key_bytes", "value_bytes")}
    entry["key"], entry["value"] = shown(row["key"], row["key_bytes"]), shown(row["value"], row["value_bytes"])
    for name in ("created_at", "resolved_at"):
        entry[name] = instants.render(row[name]) if row[name] is not None else None
    return entry
