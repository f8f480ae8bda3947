"""One snapshot of the history: what an answer reads, streamed from COPY (design, invariants 13 to 16)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from msr_stream import metrics
from msr_stream.bounds import Bounds, not_settled
from msr_stream.replay import EventsQuery, StateQuery
from msr_stream.store import counting, planning, queries
from msr_stream.store.companions import Companions, GoOn
from msr_stream.store.database import Connection
from msr_stream.store.projection import projected
from msr_stream.store.sinks import Counted, InOrder, OnePiece, Paced, Sink
from msr_stream.store.standing import missing

_sql = queries.load("replay")
#: How long one answer may be read, seconds, all its statements together; a single statement's own limit is the same.
LONGEST = 600.0

#: A state with fewer rows to read is read on one connection: another one costs some milliseconds.
_WORTH_SHARING = 20_000


class Snapshot:
    """One snapshot of the history, for one tenant.

    Attributes:
        bounds: between what it may move.
        tenant: whose rows are seen, beside shared ones.
        epoch: of the history that it shows.
        counting: how its activity is counted.
    """

    counting = counting.HISTORY

    def __init__(self, connection: Connection, bounds: Bounds, tenant: str, epoch: int, companions: Companions) -> None:
        self.bounds, self.tenant, self.epoch = bounds, tenant, epoch
        self._connection, self._companions = connection, companions

    def resolve(self, moment: int | None) -> int:
        """The instant that will be answered: the moment, or the settled instant.

        Raises:
            Unavailable: it is not settled.
        """
        latest = self.bounds.latest_answer
        if latest is None or (moment is not None and moment > latest):
            raise not_settled(self.bounds)
        return latest if moment is None else moment

    async def incomplete(self, at: int, start: int | None = None, tables: Sequence[str] = ()) -> list[str]:
        """Tables of which this snapshot may not have all at an instant, or of a window that ends with it; `*`: any.

        Args:
            at: the instant.
            start: the window's beginning.
            tables: of these alone; empty: of all.
        """
        if not self.bounds.shards:
            return ["*"]
        return (await missing(self._connection, at, at if start is None else start)).among(tables).names

    async def state(self, query: StateQuery, at: int, sink: Sink) -> None:
        """The state at an instant, shard by shard; large shards on several connections, in no order."""
        with metrics.QUERY_SECONDS.labels("state").time():
            found = await planning.parts(self._connection, at, query.filter.named_tables)
            statements = deque(planning.state_statements(found, at, self.tenant, query.filter))
            one_piece = OnePiece(projected(sink, query.filter.fields))

            async def read(connection: Connection, go_on: GoOn) -> None:
                await connection.execute(_sql["hashes_only"])
                while statements and go_on():
                    await self._copy(connection, statements.popleft(), one_piece)
                await connection.execute(_sql["any_join"])

            if sum(part.rows for part in found) < _WORTH_SHARING or len(statements) < 2:
                await read(self._connection, lambda: True)
            else:
                await self._companions.share(read)

    async def events(self, query: EventsQuery, sink: Sink, of: Callable[[int], bool] = lambda _: True) -> None:
        """The events of a window, of these shards, in the served order; of large slices the next is read meanwhile."""
        with metrics.QUERY_SECONDS.labels("events").time():
            found = await planning.shards_since(self._connection, query.start, query.filter.named_tables)
            shards, slices = [shard for shard in found if of(shard)], planning.Slices(query.start, query.end)
            order, chosen = InOrder(), projected(sink, query.filter.fields)

            async def read(connection: Connection, go_on: GoOn) -> None:
                while go_on() and (piece := slices.take()) is not None:
                    ticket = order.ticket()
                    counted = Counted(chosen, partial(order.turn, ticket))
                    statement = planning.events_statement(shards, piece.start, piece.end, self.tenant, query.filter)
                    await self._copy(connection, statement, counted)
                    slices.brought(piece, counted.bytes)
                    await order.end(ticket)

            if shards:
                await read(self._connection, lambda: not slices.large)
            if shards and slices.left:
                await self._companions.share(read)

    async def rows(self, statement: str, *arguments: Any) -> list[Any]:
        """The few rows of a statement, which sees what this snapshot sees."""
        found: list[Any] = await self._connection.fetch(statement, *arguments)
        return found

    async def counted(self, name: str, **values: int | str) -> list[Any]:
        """The rows of one of the statements about activity."""
        return await self.rows(self.counting.statements[name].format(**values))

    async def copy(self, statement: str, sink: Sink) -> None:
        """The rows of a statement of one column that holds JSON text, each with a line break; cut anywhere."""
        await self._copy(self._connection, statement, sink)

    @staticmethod
    async def _copy(connection: Connection, statement: str, sink: Sink) -> None:
        # JSON text holds no control characters: with these nothing is ever quoted or escaped.
        await connection.copy_from_query(
            statement, output=Paced(sink), format="csv", quote="\x01", delimiter="\x02", timeout=LONGEST
        )
