"""What an owner answers: a value, or an error that the caller's worker raises again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msr_stream import errors
from msr_stream.errors import RequestError

_KINDS: dict[str, type[RequestError]] = {
    kind.__name__: kind for kind in (errors.BadRequest, errors.Forbidden, errors.NotFound, errors.Conflict,
                                     errors.Unavailable, RequestError)
}  # fmt: skip


def success(value: object) -> dict[str, Any]:
    """The command was applied."""
    return {"data": value}


def failure(error: RequestError) -> dict[str, Any]:
    """It was not, for a reason that the caller is told."""
    kind = type(error).__name__
    about = {"message": str(error), "code": error.code, "details": error.details, "headers": error.headers}
    return {"error": {"kind": kind if kind in _KINDS else "RequestError", **about}}


def result(answer: Mapping[str, Any]) -> Any:
    """The value.

    Raises:
        RequestError: what the owner raised.
    """
    error = answer.get("error")
    if error is None:
        return answer.get("data")
    raise _KINDS[error["kind"]](
        error["message"], code=error["code"], details=error["details"], headers=error["headers"]
    )
