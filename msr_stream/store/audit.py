"""The audit: who changed what, written in the transaction that changes it."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from msr_stream import instants
from msr_stream.identity import Caller
from msr_stream.paging import Page
from msr_stream.store import queries
from msr_stream.store.database import Connection, Database

_sql = queries.load("audit")


class Actor(NamedTuple):
    """Who does something, in which request."""

    caller: Caller
    correlation_id: str


async def note(
    connection: Connection,
    actor: Actor,
    action: str,
    subject: str,
    *,
    tenant: str | None = None,
    before: object = None,
    after: object = None,
) -> None:
    """Note that the actor did something; part of the connection's transaction.

    Args:
        connection: where it is being done.
        actor: who does it.
        action: what, as `noun.verb`.
        subject: to what.
        tenant: the tenant it concerns; `None`: all.
        before: what was there, as JSON.
        after: what is there now, as JSON.
    """
    caller = actor.caller
    await connection.execute(
        _sql["add"], caller.user_id, caller.username, tenant, action, subject,
        _json(before), _json(after), actor.correlation_id,
    )  # fmt: skip


class Audit:
    """The audit, read."""

    SORTABLE = ("created_at", "user_id", "username", "action", "subject", "tenant_id")

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, page: Page, *, tenant: str | None, action: str | None, user_id: str | None
    ) -> tuple[list[dict[str, Any]], int]:
        """One page, and how many there are in all; with a tenant only what concerns that one."""
        chosen = (tenant, action, user_id)
        async with self._database.serving() as connection:
            query = _sql["page"].format(order_by=page.order_by("audit_id"))
            found = await connection.fetch(query, *chosen, page.size, page.offset)
            total = found[0]["total"] if found else await connection.fetchval(_sql["count"], *chosen)
        return [_entry(row) for row in found], total


def _entry(row: Any) -> dict[str, Any]:
    entry = {name: value for name, value in row.items() if name != "total"}
    entry["created_at"] = instants.render(row["created_at"])
    entry["correlation_id"] = str(row["correlation_id"])
    for name in ("before", "after"):
        entry[name] = orjson.loads(row[name]) if row[name] is not None else None
    return entry


def _json(value: object) -> str | None:
    return None if value is None else orjson.dumps(value).decode()
