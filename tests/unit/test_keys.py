"""The realm's keys: where they come from, and how new ones are noticed while running."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from msr_stream.errors import KeysUnavailable, SettingsError, Unauthorized
from msr_stream.identity import Verifier
from msr_stream.keys import KeyFile, KeySet, parse, realm
from msr_stream.settings import Settings
from msr_stream.tokens import Signer


@cache
def _key(name: str = "ours") -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _jwk(**more: Any) -> dict[str, Any]:
    return {**RSAAlgorithm.to_jwk(_key().public_key(), as_dict=True), "kid": "k1", "use": "sig", "alg": "RS256", **more}


def _key_set(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


class Realm:
    """A realm whose keys are asked for, and a clock beside it."""

    def __init__(self, *kids: str) -> None:
        self.kids, self.asked, self.away = set(kids), 0, False
        self.now = 1000.0
        self.answers = asyncio.Event()
        self.answers.set()

    async def fetch(self) -> Mapping[str, Any]:
        self.asked += 1
        await self.answers.wait()
        if self.away:
            raise KeysUnavailable
        return {kid: f"key {kid}" for kid in self.kids}

    def keys(self, pause: float = 5.0) -> KeySet:
        return KeySet(self.fetch, pause=pause, clock=lambda: self.now)


# What is a key set


def test_a_key_set_gives_keys_by_their_id() -> None:
    assert set(parse(_key_set(_jwk(), _jwk(kid="k2")))) == {"k1", "k2"}


def test_a_key_set_like_keycloaks_is_read_although_it_has_other_keys_too() -> None:
    """Keys that encrypt must not sign (RFC 7517, section 4.2), and only RSA keys sign for us."""
    elliptic = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)
    others = [
        _jwk(kid="enc", use="enc", alg="RSA-OAEP"),
        _jwk(kid="enc too", use="enc"),
        {**elliptic, "kid": "ec"},
        {"kty": "oct", "k": "eA", "kid": "h"},
        "nonsense",
    ]
    unsaid = {name: value for name, value in _jwk(kid="k2").items() if name not in {"use", "alg"}}
    assert set(parse(json.dumps({"keys": [*others, _jwk(), unsaid]}).encode())) == {"k1", "k2"}


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"nonsense", b"\xff", b'{"keys":[]}', b'{"keys":[{}]}', b'{"keys":7}', b"[]", b"7", b"null", b'"x"'],
)
def test_what_is_no_key_set_is_refused(content: bytes) -> None:
    with pytest.raises(KeysUnavailable, match="no key set"):
        parse(content)


@pytest.mark.parametrize("kid", [None, 7, ["k1"]])
def test_a_key_that_cannot_be_named_is_no_use(kid: Any) -> None:
    with pytest.raises(KeysUnavailable, match="no RSA key"):
        parse(_key_set(_jwk(kid=kid)))


# When it is fetched


async def test_a_known_key_asks_nobody() -> None:
    at = Realm("a")
    keys = at.keys()
    await keys.refresh()
    at.now += 1e6
    assert [await keys.find("a") for _ in range(10)] == ["key a"] * 10
    assert at.asked == 1


async def test_a_new_key_is_found_when_a_token_names_it() -> None:
    at = Realm("a")
    keys = at.keys()
    assert await keys.find("a") == "key a"
    at.kids = {"a", "b"}
    at.now += 5
    assert (await keys.find("b"), await keys.find("a"), at.asked) == ("key b", "key a", 2)


async def test_a_key_that_is_published_no_longer_is_forgotten() -> None:
    at = Realm("a", "b")
    keys = at.keys()
    await keys.refresh()
    at.kids = {"b"}
    await keys.refresh()
    assert (await keys.find("a"), await keys.find("b")) == (None, "key b")


async def test_unknown_keys_do_not_make_us_hammer_the_realm() -> None:
    at = Realm("a")
    keys = at.keys(pause=5)
    for n in range(1000):
        assert await keys.find(f"made up {n}") is None
        at.now += 0.01
    assert at.asked == 2  # at the beginning and after 5 s


async def test_the_pause_counts_from_the_end_of_a_slow_answer() -> None:
    at = Realm("a")
    keys = at.keys(pause=5)
    at.answers.clear()
    asking = asyncio.create_task(keys.find("x"))
    await asyncio.sleep(0)
    at.now += 60
    at.answers.set()
    assert await asking is None
    assert await keys.find("x") is None
    assert at.asked == 1


async def test_many_at_once_share_one_request() -> None:
    at = Realm("a")
    keys = at.keys()
    at.answers.clear()
    asking = [asyncio.create_task(keys.find(kid)) for kid in ["a"] * 50 + ["x"] * 50]
    await asyncio.sleep(0)
    at.answers.set()
    assert await asyncio.gather(*asking) == ["key a"] * 50 + [None] * 50
    assert at.asked == 1


async def test_who_comes_while_a_request_is_under_way_gets_its_outcome_although_it_is_too_soon_for_another() -> None:
    at = Realm("a")
    keys = at.keys(pause=5)
    await keys.refresh()
    at.kids.add("b")
    at.answers.clear()
    refreshing = asyncio.create_task(keys.refresh())
    await asyncio.sleep(0)
    asking = asyncio.create_task(keys.find("b"))
    await asyncio.sleep(0)
    at.answers.set()
    assert await asking == "key b"
    await refreshing
    assert at.asked == 2


async def test_one_who_leaves_does_not_take_the_request_from_the_others() -> None:
    at = Realm("a")
    keys = at.keys()
    at.answers.clear()
    first, second = (asyncio.create_task(keys.find("a")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    at.answers.set()
    assert await second == "key a"


async def test_known_keys_go_on_while_the_realm_is_away_and_new_ones_are_found_when_it_is_back() -> None:
    at = Realm("a")
    keys = at.keys(pause=5)
    await keys.refresh()
    at.away, at.kids, at.now = True, {"a", "b"}, at.now + 5
    assert (await keys.find("b"), keys.reachable) == (None, False)
    await keys.refresh()
    assert await keys.find("a") == "key a"
    at.away, at.now = False, at.now + 5
    assert (await keys.find("b"), keys.reachable) == ("key b", True)


# From the realm


def _settings(folder: Path, **given: Any) -> Settings:
    usual: dict[str, Any] = {
        "database_host": "x", "database_name": "x", "database_user": "x", "kafka_brokers": ["x:1"],
        "iams_keycloak_url": "http://127.0.0.1:9/realms/x", "iams_jwks_file": None, "data_dir": folder,
    }  # fmt: skip
    return Settings(**{**usual, **given})


async def _served(answer: Callable[[], web.Response], path: str) -> TestServer:
    async def handler(request: web.Request) -> web.Response:
        return answer()

    application = web.Application()
    application.router.add_get(path, handler)
    server = TestServer(application)
    await server.start_server()
    return server


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_the_keys_come_from_the_realm_or_from_the_address_given(tmp_path: Path, elsewhere: bool) -> None:
    path = "/keys" if elsewhere else "/realms/x/protocol/openid-connect/certs"
    server = await _served(lambda: web.Response(body=_key_set(_jwk())), path)
    try:
        here = {"iams_jwks_url": str(server.make_url("/keys"))} if elsewhere else {}
        issuer = "http://nowhere.invalid/realms/x" if elsewhere else str(server.make_url("/realms/x"))
        verifier = Verifier.from_settings(_settings(tmp_path, iams_keycloak_url=issuer, **here))
        token = jwt.encode(
            {"sub": "u1", "iss": issuer, "iat": int(time.time()), "exp": int(time.time()) + 60},
            _key(), "RS256", headers={"kid": "k1"},
        )  # fmt: skip
        assert (await verifier.verify(f"Bearer {token}")).user_id == "u1"
    finally:
        await server.close()


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.Response(status=500),
        lambda: web.Response(status=404),
        lambda: web.Response(status=302, headers={"Location": "http://127.0.0.1:9/"}),
        lambda: web.Response(status=302, headers={"Location": "/keys"}),
        lambda: web.Response(text="<html>log in first</html>"),
        lambda: web.Response(body=b"{}"),
        lambda: web.Response(body=b"not gzip", headers={"Content-Encoding": "gzip"}),
    ],
)
async def test_a_realm_that_answers_nonsense_is_one_that_is_away(answer: Callable[[], web.Response]) -> None:
    server = await _served(answer, "/keys")
    try:
        with pytest.raises(KeysUnavailable):
            await realm(str(server.make_url("/keys")))()
    finally:
        await server.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/keys", "http://nowhere.invalid/keys", "http://[::1/keys"])
async def test_a_realm_that_is_not_there_is_away_at_once(url: str) -> None:
    with pytest.raises(KeysUnavailable):
        await asyncio.wait_for(realm(url)(), 30)


async def test_a_realm_that_takes_the_request_and_never_answers_is_not_waited_for_without_an_end() -> None:
    """Somebody waits for the answer: it is 401, soon, and not a crash."""
    left, asked = asyncio.Event(), list[object]()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(writer)
        while await reader.read(1024):
            pass
        writer.close()
        left.set()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    verifier = Verifier(KeySet(realm(f"http://127.0.0.1:{port}/")), "http://x")
    token = jwt.encode({"sub": "u1"}, _key(), "RS256", headers={"kid": "k1"})
    try:
        async with asyncio.timeout(30):
            with pytest.raises(Unauthorized, match="cannot be asked for now"):
                await verifier.verify(f"Bearer {token}")
        with pytest.raises(Unauthorized):
            await verifier.verify(f"Bearer {token}")
        assert len(asked) == 1, "nobody asks again so soon"
    finally:
        await asyncio.wait_for(left.wait(), 30)
        silent.close()


# From a file


def _written(path: Path, content: bytes, at: float) -> None:
    """Replace a file as an operator's tool does, with a time of its own."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    os.utime(fresh, (at, at))
    fresh.replace(path)


async def test_a_file_is_read_again_when_it_was_written_and_a_key_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    _written(path, _key_set(_jwk()), 1000)
    file, clock = KeyFile(path), [0.0]
    keys = KeySet(file.fetch, file.read(), pause=1, clock=lambda: clock[0])
    assert (await keys.find("k1"), await keys.find("k2")) != (None, None)
    _written(path, _key_set(_jwk(), _jwk(kid="k2")), 1001)
    clock[0] += 1
    assert await keys.find("k2") is not None


async def test_a_file_that_was_not_written_again_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    _written(path, _key_set(_jwk()), 1000)
    file = KeyFile(path)
    assert file.read() is file.read()


@pytest.mark.parametrize("content", [b"half a fi", None])
async def test_a_file_that_is_spoilt_while_running_takes_no_known_key_away(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "jwks.json"
    _written(path, _key_set(_jwk()), 1000)
    file = KeyFile(path)
    keys = KeySet(file.fetch, file.read(), pause=0)
    if content is None:
        path.unlink()
    else:
        _written(path, content, 1001)
    assert await keys.find("k2") is None
    assert await keys.find("k1") is not None
    _written(path, _key_set(_jwk(), _jwk(kid="k2")), 1001)
    assert await keys.find("k2") is not None


async def test_where_there_is_a_file_nobody_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    signer = Signer(_key(), "http://127.0.0.1:9/realms/x")
    path.write_text(json.dumps(signer.key_set()))
    verifier = Verifier.from_settings(_settings(tmp_path, iams_jwks_file=path))
    assert (await verifier.verify(f"Bearer {signer.person('carol', 't9')}")).tenant == "t9"


@pytest.mark.parametrize("content", [b"", b"{}", b"nonsense", _key_set(_jwk(kid=None))])
def test_a_file_that_is_no_key_set_stops_the_start_and_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(content)
    wants = r"^IAMS_JWKS_FILE: got '.*jwks\.json', wants a JWKS file with at least one RSA key with a kid \("
    with pytest.raises(SettingsError, match=wants):
        Verifier.from_settings(_settings(tmp_path, iams_jwks_file=path))
