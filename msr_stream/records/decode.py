"""A broker record in, what it says out. Pure: nothing is looked up and nothing is remembered but names.

Shapes (contract, section 4), told apart by content: Debezium's envelope, possibly inside
`{schema, payload}`; the flattened row of `ExtractNewRecordState`; MSR's own restructured record.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from msr_stream.errors import RecordError
from msr_stream.instants import FIRST, LAST
from msr_stream.records import shapes
from msr_stream.records.change import Change, Command, DeadLetter, Decoded, Marker
from msr_stream.records.envelope import Envelope, Message, Record, Source
from msr_stream.records.keys import entity_id, no_key
from msr_stream.records.state import clean, has_placeholder, tenant_of

MARKER_PREFIX = "msr"
OLD_KEY = "__debezium.oldkey"


_envelope = msgspec.json.Decoder(Envelope)


@dataclass
class Decoder:
    """Decodes the records of one topic.

    Attributes:
        topic: its name; the last two parts name the table where a record does not.
        partitions: how many partitions it has.
        tenant_column: the tenant column's name where `tenant_columns` has no other for the table.
        tenant_columns: table name to tenant column.
        prefixes: source to what is put before its table names.
    """

    topic: str
    partitions: int = 1
    tenant_column: str = "tenant_id"
    tenant_columns: Mapping[str, str] = field(default_factory=dict)
    prefixes: Mapping[str, str] = field(default_factory=dict)
    _names: dict[tuple[str, str, str], str] = field(default_factory=dict, init=False)

    @property
    def source(self) -> str:
        """The source as the topic's name tells it."""
        return self.topic.rsplit(".", 2)[0] if self.topic.count(".") > 1 else self.topic.split(".")[0]

    def decode(self, record: Record) -> Decoded:
        """What the record says; a dead letter, with its reason, when it cannot be recorded."""
        try:
            return self._decode(record)
        except RecordError as error:
            return DeadLetter(record.offset, error.code, str(error), error.identity)
        except UnicodeDecodeError as error:
            return DeadLetter(record.offset, "NOT_UTF8", f"the record is not UTF-8: {error}")
        except RecursionError:
            return DeadLetter(record.offset, "TOO_DEEP", "the record's JSON is nested too deeply")

    def table_name(self, source: str, schema: str, table: str) -> str:
        """`schema.table`, after the source's prefix if it has one."""
        key = (source, schema, table)
        name = self._names.get(key)
        if name is None:
            if not table:
                raise RecordError("NO_TABLE", "the record does not say which table it is of")
            if "\0" in schema + table:
                raise RecordError("NUL_CHARACTER", "the table's name holds a NUL character")
            prefix = self.prefixes.get(source, "")
            name = self._names[key] = ".".join(part for part in (prefix, schema, table) if part)
        return name

    def _decode(self, record: Record) -> Decoded:
        if record.value is None:
            return self._tombstone(record)
        try:
            envelope = _envelope.decode(record.value)
        except msgspec.ValidationError:
            return self._other_shape(record, record.value)
        except msgspec.DecodeError as error:
            raise RecordError("NOT_JSON", f"the record's value is not JSON: {error}") from error
        return self._of_envelope(record, envelope)

    def _of_envelope(self, record: Record, envelope: Envelope) -> Decoded:
        source, op = envelope.source, envelope.op
        if op == "m":
            return _marker(source, envelope.message)
        table_name = self.table_name(source.name, source.schema, source.table)
        if op == "t":
            command = Command(record.offset, table_name, _time(source.ts_us, source.ts_ms))
            command.lsn, command.txid = source.lsn, source.txId
            _set_sequence(command, source.sequence)
            return command
        if op not in ("c", "r", "u", "d"):
            raise RecordError("UNKNOWN_OPERATION", f"operation {op!r} is none of c, r, u, d, t, m")
        change = Change(
            record.offset,
            op,
            table_name,
            entity_id(_key(record)),
            None,
            _time(source.ts_us, source.ts_ms),
            old_entity=_old_entity(record) if record.headers else None,
        )
        if source.snapshot in (None, False, "false"):
            change.lsn, change.txid = source.lsn, source.txId
            _set_sequence(change, source.sequence)
        self._set_state(change, bytes(envelope.before if op == "d" else envelope.after))
        return change

    def _set_state(self, change: Change, raw: bytes) -> None:
        if raw == b"null" and change.op == "d":
            return
        if raw == b"null":
            raise with_identity(RecordError("NO_STATE", f"operation {change.op!r} without the row"), change)
        try:
            state = change.state = clean(raw)
        except RecordError as error:
            raise with_identity(error, change) from error
        column = self.tenant_columns.get(change.table_name) if self.tenant_columns else None
        change.tenant = tenant_of(state, column or self.tenant_column)
        if column is not None and change.tenant is None:
            change.tenant = ""  # a column that was named and is not there must not make the table everybody's
        change.incomplete = has_placeholder(state) and change.op != "d"

    def _other_shape(self, record: Record, value: bytes) -> Decoded:
        try:
            fields = shapes.fields_of(value)
        except msgspec.DecodeError as error:
            raise RecordError("NOT_JSON", f"the record's value is not a JSON object: {error}") from error
        if fields.keys() == {"schema", "payload"}:
            return self._of_payload(record, bytes(fields["payload"]))
        if shapes.is_transaction(fields) or shapes.is_heartbeat(fields):
            return None
        if shapes.is_restructured(fields):
            return self._of_row(record, shapes.restructured(fields), own_id=True)
        if shapes.is_flattened(fields):
            schema, table = (self.topic.rsplit(".", 2) if self.topic.count(".") > 1 else ["", "", ""])[1:]
            return self._of_row(record, shapes.flattened(fields, schema, table), own_id=False)
        raise RecordError(
            "UNKNOWN_SHAPE",
            f"the record is no envelope, no flattened row and no restructured record: {_named(fields)}",
        )

    def _of_payload(self, record: Record, payload: bytes) -> Decoded:
        inner = shapes.Inner(record.offset, record.timestamp, record.key, payload, record.headers)
        return self._decode(inner) if payload != b"null" else self._tombstone(record)

    def _of_row(self, record: Record, row: shapes.Row, *, own_id: bool) -> Change:
        if record.key is None and self.partitions > 1:
            raise no_key()
        if row.op not in ("c", "r", "u", "d"):
            raise RecordError("UNKNOWN_OPERATION", f"operation {row.op!r} is none of c, r, u, d")
        schema, _, table = row.table_name.rpartition(".")
        change = Change(
            record.offset,
            row.op,
            self.table_name(self.source, schema, table),
            row.entity_id if own_id else entity_id(_key(record)),
            None,
            _time(row.time, None),
            lsn=row.lsn,
            txid=row.txid,
            old_entity=_old_entity(record) if record.headers else None,
        )
        _set_sequence(change, row.sequence)
        self._set_state(change, row.state)
        return change

    def _tombstone(self, record: Record) -> Change | None:
        if record.key is None:
            return None
        if self.topic.count(".") < 2:
            return None
        schema, table = self.topic.rsplit(".", 2)[1:]
        name = self.table_name(self.source, schema, table)
        moment = _time(None, record.timestamp)
        return Change(record.offset, "d", name, entity_id(record.key), None, moment, tombstone=True)


def with_identity(error: RecordError, change: Change | Command) -> RecordError:
    """The same error, knowing what the record is: a dead letter sent twice is kept once."""
    error.identity = change.identity
    return error


def _key(record: Record) -> bytes:
    if record.key is None:
        raise no_key()
    return record.key


def _old_entity(record: Record) -> str | None:
    for name, value in record.headers:
        if name == OLD_KEY and value is not None:
            return entity_id(value)
    return None


def _marker(source: Source, message: Message | None) -> Marker | None:
    """The source's clock; never later than the message's own commit, which nobody can forge."""
    if message is None or message.prefix != MARKER_PREFIX:
        return None
    try:
        instant = int(base64.b64decode(message.content, validate=True))
        if not FIRST <= instant <= LAST:
            raise ValueError("it is outside the years 1 to 9999")
        forgeable = source.ts_us is None and source.ts_ms is None
        return Marker(source.name, instant if forgeable else min(instant, _time(source.ts_us, source.ts_ms)))
    except (binascii.Error, ValueError) as error:
        raise RecordError("BAD_MARKER", f"a message of prefix {MARKER_PREFIX!r} without a time: {error}") from error


def _time(micros: int | None, millis: int | None) -> int:
    instant = micros if micros is not None else millis * 1000 if millis is not None else None
    if instant is None:
        raise RecordError("NO_TIME", "the record has no commit time: add source.ts_us (or ts_ms) to its fields")
    if not FIRST <= instant <= LAST:
        raise RecordError("TIME_OUT_OF_RANGE", f"the commit time {instant} µs is outside the years 1 to 9999")
    return instant


def _set_sequence(change: Change | Command, text: str | None) -> None:
    """Read `["<lsn of the last commit before>","<lsn>"]`; the first may be null."""
    if text is None:
        return
    quoted = text.split('"')  # five parts when both are there; twice as fast as a JSON parser, and on every record
    try:
        if len(quoted) == 5:
            commit_lsn = change.commit_lsn = int(quoted[1])
            lsn = int(quoted[3])
            change.sequence = (commit_lsn, lsn)
            if not (0 <= commit_lsn < 2**63 and 0 <= lsn < 2**63):
                raise ValueError("beyond 64 bits")
        elif len(quoted) != 3:
            raise ValueError("not a pair of quoted numbers")
    except ValueError as error:
        raise with_identity(RecordError("BAD_SEQUENCE", f"source.sequence is {text!r}: {error}"), change) from error


def _named(fields: Mapping[str, object]) -> str:
    return "fields " + ", ".join(sorted(fields)[:8]) if fields else "no fields"
