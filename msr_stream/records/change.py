"""What a broker record says, once decoded."""

from __future__ import annotations

import msgspec

#: A log sequence number pair: that of the last commit before, and the record's own.
Sequence = tuple[int, int]

#: (lsn, transaction id, table, entity): what a streamed record is, however often it is delivered.
Identity = tuple[int, int | None, str, str]


class Change(msgspec.Struct, gc=False):
    """One committed create, read (snapshot), update or delete of an entity.

    Attributes:
        offset: the record's offset in its shard's topic partition.
        op: `c`, `r`, `u` or `d`.
        table_name: `schema.table`, after the source's prefix if it has one.
        entity_id: the primary key as text.
        state: the row as the JSON text that arrived; of a delete, the row before as far as it was sent.
        source_time: instant of the commit at the source.
        tenant: whose the row is; `None` where the table has no tenant column, empty where it is null.
        sequence: the capture's own order; `None` where the record has none, or begins with null.
        lsn: log sequence number of a streamed record; `None` for a snapshot's.
        txid: its transaction.
        commit_lsn: first half of the sequence, stored.
        old_entity: the entity that this one was before its primary key changed.
        incomplete: the state holds placeholders for unchanged values.
        tombstone: it is no more than a null value: a delete only if nothing said so before.
        follows: of a tombstone after a copy, that copy's lsn: new only if the entity's last event is the same.
    """

    offset: int
    op: str
    table_name: str
    entity_id: str
    state: bytes | None
    source_time: int
    tenant: str | None = None
    sequence: Sequence | None = None
    lsn: int | None = None
    txid: int | None = None
    commit_lsn: int | None = None
    old_entity: str | None = None
    incomplete: bool = False
    tombstone: bool = False
    follows: int | None = None

    @property
    def identity(self) -> Identity | None:
        """What makes this record the same record when it comes again; `None` for snapshot reads."""
        if self.lsn is None:
            return None
        return self.lsn, self.txid, self.table_name, self.entity_id


class Command(msgspec.Struct, gc=False):
    """Something that concerns a whole table: it was truncated.

    Attributes:
        offset: the record's offset in its shard's topic partition.
        table_name: as a change's.
        source_time: instant of the commit at the source.
        sequence: the capture's own order; `None` where the record has none, or begins with null.
        lsn: log sequence number.
        txid: its transaction.
        commit_lsn: first half of the sequence.
    """

    offset: int
    table_name: str
    source_time: int
    sequence: Sequence | None = None
    lsn: int | None = None
    txid: int | None = None
    commit_lsn: int | None = None

    @property
    def identity(self) -> Identity | None:
        """What makes this record the same record when it comes again: that of no entity."""
        return None if self.lsn is None else (self.lsn, self.txid, self.table_name, "")


class Marker(msgspec.Struct, gc=False):
    """A message the capture wrote into the source's log.

    Attributes:
        source: the source's `topic.prefix`.
        instant: the source's clock when it was written.
    """

    source: str
    instant: int


class DeadLetter(msgspec.Struct, gc=False):
    """A record that cannot be recorded, and why.

    Attributes:
        offset: its offset.
        code: the reason as one UPPER_SNAKE word.
        reason: the reason as a sentence.
        identity: what it is, if that much could be read.
    """

    offset: int
    code: str
    reason: str
    identity: Identity | None = None


#: What a record decodes to; `None` is a record that is no entity's and no marker.
Decoded = Change | Command | Marker | DeadLetter | None
