"""Around every request: correlation id, identity, and errors as the contract writes them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from functools import wraps
from time import perf_counter
from typing import Any

import orjson
import structlog
from aiohttp import web
from aiohttp.hdrs import METH_ALL
from aiohttp.http import HttpProcessingError

from msr_stream import instants, logs, metrics
from msr_stream.errors import NotFound, RequestError
from msr_stream.identity import Caller
from msr_stream.runtime import Runtime
from web.headers import Headers
from web.routes import CALLER, Handler, Requires, allow

log = logs.get(__name__)

REQUIREMENTS: web.AppKey[Mapping[tuple[str, str], Requires]] = web.AppKey("requirements")
HEADERS: web.AppKey[Headers] = web.AppKey("headers")
RUNTIME_OF: web.AppKey[Callable[[], Runtime]] = web.AppKey("runtime_of")

_CODES = {400: "VALIDATION_FAILED", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "PAYLOAD_TOO_LARGE"}
_HEADER = "X-Correlation-ID"


def runtime(request: web.Request) -> Runtime:
    """The worker's parts."""
    return request.app[RUNTIME_OF]()


def limited(handler: Handler) -> Handler:
    """A handler of which one user may have only so many under way; `Retry-After` says when to try again."""

    @wraps(handler)
    async def count(request: web.Request) -> web.StreamResponse:
        with runtime(request).replays.hold(request[CALLER]), metrics.REPLAYS.track_inprogress():
            return await handler(request)

    return count


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a request: the caller is let in or not, whatever fails becomes the contract's error."""
    begun, status = perf_counter(), "cut"
    request["correlation_id"] = correlation_id = _correlation_id(request.headers.get(_HEADER))
    with structlog.contextvars.bound_contextvars(correlation_id=correlation_id):
        try:
            response = await _answer(request, handler)
            status = str(response.status)
            if not response.prepared:
                response.headers[_HEADER] = correlation_id
            return response
        finally:
            resource = request.match_info.route.resource
            method = request.method if request.method in METH_ALL else "other"
            route = resource.canonical if resource is not None else "none"
            seconds = perf_counter() - begun
            metrics.answered(method, route, status, seconds)
            log.debug("request", method=method, path=request.rel_url.raw_path, status=status, ms=round(seconds * 1000))


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        if (preflight := request.app[HEADERS].preflight(request)) is not None:
            return preflight
        await _identify(request)
        return await handler(request)
    except RequestError as error:
        if error.status >= 500:
            log.warning("request not answered", path=request.rel_url.raw_path, status=error.status, reason=str(error))
        return _error(request, error.status, error.code, str(error), error.details, error.headers)
    except web.HTTPException as error:
        return _http_error(request, error)
    except (web.RequestPayloadError, HttpProcessingError) as error:
        response = _error(request, 400, "VALIDATION_FAILED", f"the body cannot be read: {_plain(error)}")
        response.force_close()  # where the next request begins is not known
        return response
    except (ConnectionResetError, ConnectionAbortedError):
        log.info("the client went away", path=request.rel_url.raw_path)
        raise
    except Exception:
        log.exception("request failed", method=request.method, path=request.rel_url.raw_path)
        return _error(request, 500, "INTERNAL_SERVER_ERROR", "Something went wrong on the server.")


async def _identify(request: web.Request) -> None:
    resource = request.match_info.route.resource
    if resource is None:
        return  # no such route: aiohttp's handler says 404 or 405
    requirements = request.app[REQUIREMENTS]
    method = "GET" if request.method == "HEAD" else request.method
    requires = requirements.get((method, resource.canonical))
    if requires is None or any("\0" in part for part in request.match_info.values()):
        raise NotFound
    if requires is not Requires.NOTHING:
        caller = await runtime(request).verifier.verify(request.headers.get("Authorization"))
        allow(requires, caller, runtime(request).settings)
        request[CALLER] = caller
        if requires is Requires.TENANT and resource.canonical != "/session":
            await notice(request, caller)


async def notice(request: web.Request, caller: Caller) -> None:
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


def _plain(error: BaseException) -> str:
    return getattr(error, "message", "") or "it is broken"


def _http_error(request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    code = _CODES.get(error.status, "INTERNAL_SERVER_ERROR" if error.status >= 500 else "BAD_REQUEST")
    message = {404: "There is nothing at this address.", 405: f"{request.method} is not possible here."}
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    response = _error(request, error.status, code, message.get(error.status, error.reason), None, headers)
    if error.status == 413:
        response.force_close()  # the rest of the body is not waited for
    return response


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
        log.error("an answer was cut", path=request.rel_url.raw_path, code=code, reason=message)
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
