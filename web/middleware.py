"""Around every request: correlation id, identity, and errors as the contract writes them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import structlog
from aiohttp import web

from msr_stream import instants, logs
from msr_stream.errors import NotFound, RequestError
from msr_stream.identity import Caller
from msr_stream.runtime import Runtime
from web.routes import CALLER, Handler, Requires, allow

log = logs.get(__name__)

REQUIREMENTS: web.AppKey[Mapping[tuple[str, str], Requires]] = web.AppKey("requirements")
RUNTIME_OF: web.AppKey[Callable[[], Runtime]] = web.AppKey("runtime_of")

_CODES = {400: "VALIDATION_FAILED", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "PAYLOAD_TOO_LARGE"}
_HEADER = "X-Correlation-ID"


def runtime(request: web.Request) -> Runtime:
    """The worker's parts."""
    return request.app[RUNTIME_OF]()


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a request: the caller is let in or not, whatever fails becomes the contract's error."""
    correlation_id = _correlation_id(request.headers.get(_HEADER))
    request["correlation_id"] = correlation_id
    with structlog.contextvars.bound_contextvars(correlation_id=correlation_id):
        try:
            await _identify(request)
            response = await handler(request)
        except RequestError as error:
            response = _error(request, error.status, error.code, str(error), error.details, error.headers)
        except web.HTTPException as error:
            response = _http_error(request, error)
        except (ConnectionResetError, ConnectionAbortedError):
            log.info("the client went away", path=request.path)
            raise
        except Exception:
            log.exception("request failed", method=request.method, path=request.path)
            response = _error(request, 500, "INTERNAL_SERVER_ERROR", "Something went wrong on the server.")
        if not response.prepared:
            response.headers[_HEADER] = correlation_id
        return response


async def _identify(request: web.Request) -> None:
    resource = request.match_info.route.resource
    if resource is None:
        return  # no such route: aiohttp's handler says 404 or 405
    requirements = request.app[REQUIREMENTS]
    method = "GET" if request.method == "HEAD" else request.method
    requires = requirements.get((method, resource.canonical))
    if requires is None:
        raise NotFound
    if requires is not Requires.NOTHING:
        caller = await runtime(request).verifier.verify(request.headers.get("Authorization"))
        allow(requires, caller, runtime(request).settings)
        request[CALLER] = caller
        if requires is Requires.TENANT and resource.canonical != "/session":
            await _notice(request, caller)


async def _notice(request: web.Request, caller: Caller) -> None:
    """Whoever calls is seen, in the session that the call names or else in all of the own ones."""
    session_id = request.headers.get("X-Session-ID") or request.query.get("session_id")
    if session_id:
        await runtime(request).presence.named(caller, session_id)
    elif request.path.startswith("/replay/"):
        await runtime(request).presence.unnamed(caller)


def _correlation_id(given: str | None) -> str:
    try:
        return str(uuid.UUID(given or ""))
    except ValueError:
        return str(uuid.uuid4())


def _http_error(request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    code = _CODES.get(error.status, "INTERNAL_SERVER_ERROR" if error.status >= 500 else "BAD_REQUEST")
    message = {404: "There is nothing at this address.", 405: f"{request.method} is not possible here."}
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return _error(request, error.status, code, message.get(error.status, error.reason), None, headers)


def _error(
    request: web.Request,
    status: int,
    code: str,
    message: str,
    details: list[dict[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """The contract's error body; once an answer has begun the connection is cut, so that it never looks complete."""
    if request.get("answer_begun"):
        log.error("an answer was cut", path=request.path, code=code, reason=message)
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionAbortedError(message)
    now = instants.render(instants.now())
    body = {
        "timestamp": now,
        "correlationId": request["correlation_id"],
        "errorCode": code,
        "errorMessage": message,
        **({"details": details} if details else {}),
        "message": message,
        "errors": [{"message": message}],
        "sent_at": now,
    }
    return web.Response(
        status=status, body=orjson.dumps(body), content_type="application/json", headers=dict(headers or {})
    )
