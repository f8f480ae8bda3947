"""What a broker record is, and Debezium's own shape of its value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Protocol

import msgspec


class Record(Protocol):
    """What is read of a broker record; `timestamp` is in milliseconds."""

    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...  # noqa: D102


Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Source(msgspec.Struct, gc=False):
    """The envelope's `source` block, as far as it is used."""

    name: str
    schema: str = ""
    table: str = ""
    ts_us: int | None = None
    ts_ms: int | None = None
    snapshot: str | bool | None = None
    sequence: str | None = None
    lsn: Int64 | None = None
    txId: Int64 | None = None  # noqa: N815 - Debezium's name


class Message(msgspec.Struct, gc=False):
    """A logical decoding message: its prefix, and its content in base64."""

    prefix: str = ""
    content: str = ""


class Envelope(msgspec.Struct, gc=False):
    """Debezium's own shape."""

    op: str
    source: Source
    before: msgspec.Raw = msgspec.Raw(b"null")
    after: msgspec.Raw = msgspec.Raw(b"null")
    message: Message | None = None
