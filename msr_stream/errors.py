"""Every error this project raises on purpose, as one tree.

* MsrError
    + SettingsError          a setting is missing or wrong: the start stops
    + SourceError            a source database cannot be prepared
    + StorageError           the history database is not as it must be
        - MigrationError
    + ClipError              a file is no clip, or not a whole one: nothing of it is imported
    + KeysUnavailable        the realm's key set cannot be had now: the keys that are known go on
    + RecordError            a record cannot be recorded: it becomes a dead letter
    + ShardMoved             another worker has written this shard: read again, derive again
    + TopicStopped           a topic may not be recorded any further as it is
    + SessionMoved           a session has changed since it was read: read again
    + CommandApplied         a command was applied before: answer what is there
    + RequestError           a request is answered with a status and a code
        - BadRequest 400, Unauthorized 401, Forbidden 403, NotFound 404, NotAcceptable 406, Conflict 409,
          TooManyRequests 429, Unavailable 503

A class's docstring is its message unless the one who raises it says more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class MsrError(Exception):
    """Something went wrong in MSR."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class SettingsError(MsrError):
    """A setting is missing or wrong."""


class SourceError(MsrError):
    """The source database cannot be prepared for capture."""


class StorageError(MsrError):
    """The history database is not as it must be."""


class MigrationError(StorageError):
    """The schema of the history database could not be brought up to date."""


class ClipError(MsrError):
    """The file is no clip, or not a whole one."""


class KeysUnavailable(MsrError):
    """The realm's key set cannot be had now."""


class RecordError(MsrError):
    """A record cannot be recorded.

    Attributes:
        code: the reason as one UPPER_SNAKE word, stored with the dead letter.
        identity: (lsn, transaction id, table, entity) of the record, if that much could be read.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.identity: tuple[int, int | None, str, str] | None = None


class ShardMoved(MsrError):
    """Another worker has written this shard since it was last read."""


class TopicStopped(MsrError):
    """This topic may not be recorded any further as it is."""


class SessionMoved(MsrError):
    """The session has changed since it was read."""


class CommandApplied(MsrError):
    """The command was applied before."""


class RequestError(MsrError):
    """The request cannot be answered.

    Attributes:
        status: the HTTP status.
        code: the contract's error code.
        details: what the client may show or use, a list of JSON objects.
        headers: more response headers (`Retry-After`).
    """

    status: ClassVar[int] = 500
    code: str = "INTERNAL_SERVER_ERROR"

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        details: list[dict[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code or self.code
        self.details = details
        self.headers = dict(headers or {})


class BadRequest(RequestError):
    """The request is not valid."""

    status = 400
    code = "VALIDATION_FAILED"


class Unauthorized(RequestError):
    """A valid bearer token is required."""

    status = 401
    code = "UNAUTHORIZED"


class Forbidden(RequestError):
    """This token does not allow it."""

    status = 403
    code = "FORBIDDEN"


class NotFound(RequestError):
    """There is nothing at this address."""

    status = 404
    code = "NOT_FOUND"


class NotAcceptable(RequestError):
    """There is this answer in no form that the `Accept` header allows."""

    status = 406
    code = "NOT_ACCEPTABLE"


class Conflict(RequestError):
    """What is there now does not allow it."""

    status = 409
    code = "CONFLICT"


class TooManyRequests(RequestError):
    """You have as much under way as one may have; try again."""

    status = 429
    code = "TOO_MANY_REQUESTS"


class Unavailable(RequestError):
    """A part this answer needs is not available right now; try again."""

    status = 503
    code = "SERVICE_UNAVAILABLE"
