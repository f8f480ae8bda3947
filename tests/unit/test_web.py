"""The web layer on a socket of its own, without database and broker: errors, headers, other origins, limits."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import ClientPayloadError, ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from msr_local.tokens import Tokens
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel

from msr_stream import logs, metrics, spool
from msr_stream.errors import Unavailable
from msr_stream.runtime import Runtime
from msr_stream.settings import Settings
from msr_stream.testing import MemoryBroker, MemoryFeed
from web import answers, delivery, reading
from web.delivery import deliver
from web.middleware import limited
from web.routes import Requires, Route
from web.server import serve
from web.streaming import Answer

#: `request["correlation_id"]` is short and known to every module of `web`.
pytestmark = pytest.mark.filterwarnings("ignore::aiohttp.web_exceptions.NotAppKeyWarning")
PAGE = "https://c2.example.org"


class Wish(BaseModel):
    """What `/echo` reads."""

    word: str


async def _echo(request: web.Request) -> web.Response:
    return answers.data((await reading.body(request, Wish)).word)


async def _crash(request: web.Request) -> web.Response:
    raise ZeroDivisionError("a secret of the program")


async def _away(request: web.Request) -> web.Response:
    raise Unavailable("the database is not available", headers={"Retry-After": "2"})


class Held:
    """A handler that ends when it is told to, in whichever way."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def serve(self, request: web.Request) -> web.Response:
        """Wait."""
        await self.go_on.wait()
        if "crash" in request.query:
            raise ZeroDivisionError
        return answers.data("done")


async def _endless(request: web.Request) -> web.StreamResponse:
    async with Answer(request, {}) as answer:
        while True:
            await answer.write(b',"' + b"x" * (1 << 20) + b'"')
    return await answer.sent()


@asynccontextmanager
async def site(
    folder: Path, *routes: Route, **settings: Any
) -> AsyncIterator[tuple[TestClient[web.Request, web.Application], Runtime, dict[str, str]]]:
    """A server with these routes, its runtime, and the headers of alice."""
    tokens = Tokens(folder)
    alice = tokens.ensure()["alice"]
    given = Settings(
        database_host="127.0.0.1", database_port=9, database_name="x", database_user="x", kafka_brokers=["127.0.0.1:9"],
        iams_keycloak_url=tokens.issuer, iams_jwks_file=tokens.jwks_file, data_dir=folder, **settings,
    )  # fmt: skip

    async def crash(error: BaseException) -> None:
        raise error

    async def nobody(*_: object) -> Any:
        raise AssertionError("no owner is there")

    feed = MemoryFeed(MemoryBroker(), lambda _: None, lambda: 1)
    runtime = Runtime(given, feed, crash, nobody, nobody)
    application = web.Application(client_max_size=1 << 20)
    serve(application, routes, given, lambda: runtime)
    async with TestClient(TestServer(application)) as client:
        yield client, runtime, {"Authorization": f"Bearer {alice}"}


ROUTES = [
    Route("POST", "/echo", _echo, Requires.TENANT, "test"),
    Route("PATCH", "/echo", _echo, Requires.TENANT, "test"),
    Route("GET", "/crash", _crash, Requires.NOTHING, "test"),
    Route("GET", "/away", _away, Requires.NOTHING, "test"),
]


async def check_error(answer: ClientResponse, status: int, code: str) -> dict[str, Any]:
    """It is an error as the contract writes it, with nothing of the program's inside."""
    text = await answer.text()
    body: dict[str, Any] = json.loads(text)
    assert (answer.status, body["errorCode"]) == (status, code)
    assert body.keys() - {"details"} == {
        "timestamp", "correlationId", "errorCode", "errorMessage", "message", "errors", "sent_at",
    }  # fmt: skip
    assert body["errors"] == [{"message": body["errorMessage"]}]
    assert body["message"] == body["errorMessage"]
    assert str(uuid.UUID(body["correlationId"])) == answer.headers["X-Correlation-ID"] == body["correlationId"]
    assert "Traceback" not in text
    assert "secret" not in text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    return body


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "code"),
    [
        ("GET", "/nothing", {}, 404, "NOT_FOUND"),
        ("GET", "/", {}, 404, "NOT_FOUND"),
        ("GET", "/%ff%00/..;/x", {}, 404, "NOT_FOUND"),
        ("GET", "/echo", {}, 405, "METHOD_NOT_ALLOWED"),
        ("DELETE", "/crash", {}, 405, "METHOD_NOT_ALLOWED"),
        ("OPTIONS", "/crash", {}, 405, "METHOD_NOT_ALLOWED"),
        ("PROPFIND", "/crash", {}, 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/crash", {}, 500, "INTERNAL_SERVER_ERROR"),
        ("GET", "/away", {}, 503, "SERVICE_UNAVAILABLE"),
        ("POST", "/echo", {"data": BytesIO(b"x" * ((1 << 20) + 1))}, 413, "PAYLOAD_TOO_LARGE"),
        ("POST", "/echo", {"data": b"{never closed"}, 400, "VALIDATION_FAILED"),
        ("POST", "/echo", {"data": b'{"word": "\xff"}'}, 400, "VALIDATION_FAILED"),
        ("POST", "/echo", {"data": b"[]"}, 400, "VALIDATION_FAILED"),
        ("POST", "/echo", {"data": b""}, 400, "VALIDATION_FAILED"),
        ("POST", "/echo", {"data": b"no gzip", "headers": {"Content-Encoding": "gzip"}}, 400, "VALIDATION_FAILED"),
    ],
)  # fmt: skip
async def test_whatever_goes_wrong_is_answered_as_the_contract_says(
    tmp_path: Path, method: str, path: str, sent: dict[str, Any], status: int, code: str
) -> None:
    async with site(tmp_path, *ROUTES) as (client, _, alice):
        answer = await client.request(method, path, **{**sent, "headers": {**alice, **sent.get("headers", {})}})
        await check_error(answer, status, code)
        assert ("Allow" in answer.headers) == (status == 405)
        assert ("Retry-After" in answer.headers) == (status == 503)
        assert (await client.post("/echo", json={"word": "still here"}, headers=alice)).status == 200


async def test_a_405_names_what_is_possible(tmp_path: Path) -> None:
    async with site(tmp_path, *ROUTES) as (client, _, alice):
        answer = await client.get("/echo", headers=alice)
        assert answer.headers["Allow"] == "PATCH,POST"


async def test_what_is_no_http_is_refused_without_a_word_about_the_program(tmp_path: Path) -> None:
    """The parser answers before any middleware: 400 in plain text is all that it lets us have."""
    async with site(tmp_path, *ROUTES) as (client, _, _alice):
        reader, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nbroken header\r\n\r\n")
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.0 400 ")
    assert b"Traceback" not in answer
    assert b".py" not in answer


async def test_a_page_of_a_named_origin_may_ask_without_a_token_what_it_may_send(tmp_path: Path) -> None:
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "PATCH"}
    async with site(tmp_path, *ROUTES, cors_origins=[PAGE]) as (client, _, _alice):
        answer = await client.options("/echo", headers=asked)
        assert (answer.status, await answer.read()) == (204, b"")
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert answer.headers["Access-Control-Allow-Methods"] == "PATCH, POST"
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert (await client.options("/nothing", headers=asked)).status == 404


@pytest.mark.parametrize("origin", ["https://evil.example.org", f"{PAGE}.evil.org", "null", PAGE + ":8443", ""])
@pytest.mark.parametrize("origins", [[PAGE], []])
async def test_a_page_of_another_origin_may_not(tmp_path: Path, origin: str, origins: list[str]) -> None:
    async with site(tmp_path, *ROUTES, cors_origins=origins) as (client, _, alice):
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = await client.options("/echo", headers=asked)
        assert answer.status == 405
        answers = [answer, await client.post("/echo", json={"word": "x"}, headers={**alice, "Origin": origin})]
        assert not [name for answer in answers for name in answer.headers if name.startswith("Access-Control-")]


async def test_a_page_of_a_named_origin_may_read_errors_too(tmp_path: Path) -> None:
    """Without these headers a browser tells its page nothing, not even the status."""
    async with site(tmp_path, *ROUTES, cors_origins=[PAGE]) as (client, _, alice):
        for path, status in (("/echo", 200), ("/nothing", 404)):
            answer = await client.post(path, json={"word": "x"}, headers={**alice, "Origin": PAGE})
            assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (status, PAGE)
            exposed = answer.headers["Access-Control-Expose-Headers"]
            assert exposed == "X-Correlation-ID, X-Settled-Until, X-Incomplete, Retry-After, ETag"
        answer = await client.post("/echo", json={"word": "x"}, headers={"Origin": PAGE})
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (401, PAGE)
        answer = await client.post("/echo", json={"word": "x"}, headers=alice)
        assert answer.headers["Vary"] == "Origin"  # a cache must not give this one to the page
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_every_answer_says_what_browsers_may_do_with_it(tmp_path: Path) -> None:
    async with site(tmp_path, *ROUTES) as (client, _, alice):
        answer = await client.post("/echo", json={"word": "x"}, headers=alice)
        assert {name: answer.headers[name] for name in ("X-Content-Type-Options", "Referrer-Policy")} == {
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("end", ["", "?crash"])
async def test_one_user_has_only_so_many_answers_under_way(tmp_path: Path, end: str) -> None:
    """Another user is let in, and a place is free again however an answer ended."""
    held = Held()
    route = Route("GET", "/held", limited(held.serve), Requires.TENANT, "test")
    async with site(tmp_path, route, replays_per_user=2) as (client, runtime, alice):
        first = [asyncio.create_task(client.get(f"/held{end}", headers=alice)) for _ in range(2)]
        await until(lambda: runtime.replays.total == 2)
        refused = await client.get("/held", headers=alice)
        await check_error(refused, 429, "TOO_MANY_REQUESTS")
        assert refused.headers["Retry-After"] == "1"
        bob = {"Authorization": f"Bearer {Tokens(tmp_path).ensure()['bob']}"}
        other = asyncio.create_task(client.get("/held", headers=bob))
        await until(lambda: runtime.replays.total == 3)
        held.go_on.set()
        assert {(await answer).status for answer in first} == {500 if end else 200}
        assert (await other).status == 200
        assert (await client.get("/held", headers=alice)).status == 200
        assert runtime.replays.total == 0


async def test_a_reader_that_leaves_gives_its_place_back(tmp_path: Path) -> None:
    route = Route("GET", "/endless", limited(_endless), Requires.TENANT, "test")
    async with site(tmp_path, route, replays_per_user=1) as (client, runtime, alice):
        answer = await client.get("/endless", headers=alice)
        assert await answer.content.read(1000)
        assert runtime.replays.total == 1
        answer.close()
        await until(lambda: runtime.replays.total == 0)


async def test_an_answer_that_does_not_end_is_cut_when_the_worker_stops(tmp_path: Path) -> None:
    """Its reader takes nothing any more, so that a write waits for ever."""
    route = Route("GET", "/endless", limited(_endless), Requires.TENANT, "test")
    async with site(tmp_path, route) as (client, runtime, alice):
        answer = await client.get("/endless", headers=alice)
        runtime.stopping.set()
        await until(lambda: runtime.replays.total == 0)
        answer.close()


class Large:
    """An answer of more bytes than sockets hold; `read` is set once all of it was read from where it comes."""

    LINES = tuple(b',"' + bytes([65 + n % 26]) * (250 << 10) + b'"' for n in range(160))

    def __init__(self) -> None:
        self.read = asyncio.Event()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Render, then deliver."""
        async with Answer(request, {}) as answer:
            for line in self.LINES:
                await answer.write(line)
        self.read.set()
        return await answer.sent()


async def test_a_slow_reader_does_not_hold_up_the_reading_and_gets_all(tmp_path: Path) -> None:
    """What it has not taken lies on disk: the turn at the database is free before it has read anything."""
    large = Large()
    route = Route("GET", "/large", limited(large.serve), Requires.TENANT, "test")
    async with site(tmp_path, route) as (client, runtime, alice):
        answer = await client.get("/large", headers={**alice, "Accept-Encoding": "identity"})
        await asyncio.wait_for(large.read.wait(), 30)
        assert runtime.spools.used > 10 << 20
        assert runtime.replays.total == 1, "an answer is under way until its reader has it"
        document = await answer.read()
        assert document.startswith(b'{"data":[' + b"".join(large.LINES)[1:] + b'],"incomplete":[]')
        await until(lambda: not runtime.replays.total)
        await until(lambda: not runtime.spools.used)
        assert not list((tmp_path / "spool").iterdir())


async def test_a_gzipped_answer_is_what_any_client_unpacks(tmp_path: Path) -> None:
    """It is packed by another library than clients have, piece by piece."""
    async with site(tmp_path, Route("GET", "/large", Large().serve, Requires.TENANT, "test")) as (client, _, alice):
        answer = await client.get("/large", headers={**alice, "Accept-Encoding": "gzip"})
        assert answer.headers["Content-Encoding"] == "gzip"
        document = await answer.read()
        assert document.startswith(b'{"data":[' + b"".join(Large.LINES)[1:] + b'],"incomplete":[]')


async def _whole(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await deliver(request, response, b"".join(Large.LINES))
    return response


@pytest.mark.parametrize("what", ["rendered", "kept"])
async def test_a_reader_that_takes_next_to_nothing_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Also of an answer that is there already; and what it has does not look complete."""
    monkeypatch.setattr(delivery, "_STALL", 0.2)
    handler = Large().serve if what == "rendered" else _whole
    route = Route("GET", "/large", limited(handler), Requires.TENANT, "test")
    async with site(tmp_path, route) as (client, runtime, alice):
        answer = await client.get("/large", headers={**alice, "Accept-Encoding": "identity"})
        await until(lambda: not runtime.replays.total)
        with pytest.raises((ClientPayloadError, ConnectionResetError)):
            await answer.read()
        await until(lambda: not runtime.spools.used)


async def test_without_room_a_slow_reader_is_cut_only_when_others_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "_PATIENCE", 0.1)
    large = Large()
    route = Route("GET", "/large", limited(large.serve), Requires.TENANT, "test")
    async with site(tmp_path, route, spool_mb=0) as (client, runtime, alice):
        answer = await client.get("/large", headers={**alice, "Accept-Encoding": "identity"})
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(large.read.wait(), 0.5)
        assert runtime.replays.total == 1
        runtime.replay.waiting = 1
        await until(lambda: not runtime.replays.total)
        answer.close()


def figures() -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by name and labels."""
    families = text_string_to_metric_families(generate_latest(metrics.REGISTRY).decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


async def test_answers_are_counted_by_route_and_status_whatever_the_address_holds(tmp_path: Path) -> None:
    """Neither ids nor invented methods and addresses make new series: a stranger could make millions."""
    route = Route("GET", "/thing/{id}", Held().serve, Requires.TENANT, "test")
    before = figures()
    async with site(tmp_path, *ROUTES, route) as (client, _, alice):
        for path in ("/thing/1", "/thing/2", "/a", "/b"):
            await client.get(path)
        await client.request("PROPFIND", "/c")
        await client.post("/echo", json={"word": "x"}, headers=alice)
    after = figures()
    changed = {
        tuple(dict(labels)[name] for name in ("method", "route", "status")): after[name, labels]
        - before.get((name, labels), 0)
        for name, labels in after
        if name == "msr_http_requests_total" and after[name, labels] != before.get((name, labels), 0)
    }
    assert changed == {
        ("GET", "/thing/{id}", "401"): 2,
        ("GET", "none", "404"): 2,
        ("other", "none", "404"): 1,
        ("POST", "/echo", "200"): 1,
    }


async def test_each_line_of_a_request_carries_its_correlation_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def noisy(request: web.Request) -> web.Response:
        logs.get("msr_stream.noisy").warning("during it")
        raise ZeroDivisionError

    given = str(uuid.uuid4())
    before = structlog.get_config()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    lines: list[str] = []
    monkeypatch.setattr("sys.__stderr__", _Terminal(lines))
    logs.configure("debug", "json")
    try:
        async with site(tmp_path, Route("GET", "/noisy", noisy, Requires.NOTHING, "test")) as (client, _, alice):
            await client.get("/noisy?timestamp=now", headers={**alice, "X-Correlation-ID": given})
            await client.get("/%0a%00another line", headers=alice)
    finally:
        structlog.configure(**before)
        root.handlers[:], root.level = handlers, level
    events = [json.loads(line) for line in lines]
    ours = [event for event in events if event.get("correlation_id") == given]
    assert [event["event"] for event in ours] == ["during it", "request failed", "request"]
    assert ours[-1] | {"ms": 0} == ours[-1] | {"ms": 0, "status": "500", "path": "/noisy", "level": "debug"}
    paths = [event["path"] for event in events if event["event"] == "request"]
    assert paths[-1] == "/%0A%00another%20line"  # nobody writes lines of his own
    assert alice["Authorization"].split(" ")[1] not in "".join(lines)


class _Terminal:
    """Takes lines."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def write(self, text: str) -> None:
        """Keep what is more than a line's end."""
        self._lines += [line for line in text.split("\n") if line]

    def flush(self) -> None:
        """Nothing is held back."""


async def until(condition: Callable[[], bool], limit: float = 60.0) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(limit):
        while not condition():  # noqa: ASYNC110 - what is waited for is no event
            await asyncio.sleep(0.01)
