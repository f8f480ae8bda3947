"""Who may not come in is refused, in the same way on every route."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from msr_local.keycloak import Distribution, Keycloak
from msr_local.ports import Ports
from msr_local.stack import DEFAULT_ROOT
from msr_local.waiting import wait_until

from msr_stream.tokens import Signer
from tests.acceptance.api import Api, is_refusal
from tests.acceptance.conftest import Scene
from tests.acceptance.verifier import now
from tests.conftest import run


class Address(NamedTuple):
    """One route, with something for each name in its path."""

    method: str
    path: str
    requires: str


@pytest.fixture(scope="module")
def routes() -> list[Address]:
    """Every route that a worker serves, as it knows them itself."""
    listing = (
        "import json, web\n"
        "from msr_stream.app import app\n"
        "from web.middleware import REQUIREMENTS\n"
        "print(json.dumps([[*at, needs.name] for at, needs in app.web.web_app[REQUIREMENTS].items()]))"
    )
    required = {
        "DATABASE_HOST": "x", "DATABASE_NAME": "x", "DATABASE_USER": "x", "KAFKA_BROKERS": "x:1",
        "IAMS_KEYCLOAK_URL": "http://x", "IAMS_JWKS_FILE": "",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", listing], env={**os.environ, **required}, capture_output=True, text=True, check=True
    )
    found = [Address(*one) for one in json.loads(done.stdout)]
    assert {"/replay/state", "/replay/events", "/health"} <= {address.path for address in found}
    return [address._replace(path=_filled(address.path)) for address in found]


def _filled(path: str) -> str:
    """The path with a made-up id for each name in braces."""
    parts = [str(uuid.uuid4()) if part.startswith("{") else part for part in path.split("/")]
    return "/".join(parts)


# Tokens that a library would not make


def encoded(part: bytes) -> str:
    """As the parts of a token are written."""
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def by_hand(scene: Scene, header: dict[str, Any], secret: bytes = b"") -> str:
    """Alice's claims under another header, unsigned or signed with a secret."""
    signed = f"{encoded(json.dumps(header).encode())}.{scene.tokens['alice'].split('.')[1]}"
    signature = hmac.new(secret, signed.encode(), hashlib.sha256).digest() if secret else b""
    return f"{signed}.{encoded(signature)}"


def public_key(scene: Scene) -> bytes:
    """What everybody may know, as a secret."""
    key: Any = jwt.PyJWKSet.from_json(scene.stack.tokens.jwks_file.read_text()).keys[0].key
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return bytes(key.public_bytes(serialization.Encoding.PEM, form))


def bad_headers(scene: Scene) -> dict[str, str | None]:
    """Every way to be nobody, as the value of `Authorization`."""
    tokens, alice = scene.stack.tokens, scene.tokens["alice"]
    kid = jwt.get_unverified_header(alice)["kid"]
    claims = jwt.decode(alice, options={"verify_signature": False})
    head, payload, signature = alice.split(".")
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    later = int(time.time()) + 600
    bearer = {
        "alg none": by_hand(scene, {"alg": "none", "kid": kid}),
        "alg none, signed": by_hand(scene, {"alg": "none", "kid": kid}) + signature,
        "HS256 with the public key": by_hand(scene, {"alg": "HS256", "kid": kid, "typ": "JWT"}, public_key(scene)),
        "HS256 with an empty secret": by_hand(scene, {"alg": "HS256", "kid": kid}),
        "another issuer": tokens.sign({**claims, "iss": "https://evil.example.org/realms/aoh"}),
        "no issuer": tokens.sign({**claims, "iss": ""}),
        "expired": tokens.sign({"sub": "u", "active_tenant": claims["active_tenant"]}, lifetime=-60),
        "not yet valid": tokens.sign({**claims, "nbf": later}),
        "issued in the future": tokens.sign({**claims, "iat": later}),
        "another key": Signer(other, tokens.issuer).sign(claims),
        "another key under our id": jwt.encode(claims, other, "RS256", headers={"kid": kid}),
        "a key of its own in the header": jwt.encode(
            claims, other, "RS256", headers={"kid": "own", "jwk": Signer(other).key_set()["keys"][0]}
        ),
        "an id that is a path": jwt.encode(claims, other, "RS256", headers={"kid": "../../../dev/null"}),
        "an id that is SQL": jwt.encode(claims, other, "RS256", headers={"kid": "x' OR '1'='1"}),
        "no signature": f"{head}.{payload}.",
        "changed": f"{head}.{encoded(json.dumps({**claims, 'sub': 'root'}).encode())}.{signature}",
        "garbage": "no.token.atall",
        "half": alice[: len(alice) // 2],
        "dots": "..",
        "long": "a" * 4000,
    }
    return {
        **{what: f"Bearer {token}" for what, token in bearer.items()},
        "no header": None,
        "empty": "",
        "no token": "Bearer ",
        "no scheme": alice,
        "basic": f"Basic {base64.b64encode(b'alice:alice').decode()}",
        "another scheme": f"Token {alice}",
        "two tokens": f"Bearer {alice}, Bearer {alice}",
    }


def test_nobody_comes_in_without_a_token_that_is_good_here_and_now(scene: Scene, routes: list[Address]) -> None:
    """Every route but those that are open to all refuses each of them with 401, and says how to do better."""
    scene.only_worker()
    nobody = scene.api(None)
    closed = [route for route in routes if route.requires != "NOTHING"]
    assert len(closed) >= 2
    for what, value in bad_headers(scene).items():
        for route in closed:
            answer = nobody.send(
                route.method, route.path, headers={"Authorization": value} if value is not None else {}
            )
            assert is_refusal(answer, 401, "UNAUTHORIZED"), (what, route, answer)
            assert answer.headers["www-authenticate"].startswith("Bearer"), (what, route)
    assert "request failed" not in scene.log()


def test_what_is_open_asks_nobody_who_he_is(scene: Scene, routes: list[Address]) -> None:
    scene.only_worker()
    for route in routes:
        if route.requires == "NOTHING":
            for value in (None, "Bearer no.token.atall"):
                answer = scene.api(None).send(
                    route.method, route.path, headers={"Authorization": value} if value else {}
                )
                assert answer.status not in {401, 403}, route


def test_a_good_token_opens_only_what_it_may(scene: Scene, routes: list[Address]) -> None:
    """Tenant data without a tenant, administration without a role, the system without that role: 403."""
    scene.only_worker()
    short = {
        "TENANT": [scene.stack.tokens.sign({"sub": "u"}), scene.stack.tokens.sign({"sub": "u", "active_tenant": "t1"})],
        "ADMIN": [scene.tokens["alice"]],
        "SYSTEM": [scene.tokens["alice"], scene.tokens["admin"]],
    }
    for route in routes:
        for token in short.get(route.requires, []):
            assert is_refusal(Api(scene.worker.port, token).send(route.method, route.path), 403, "FORBIDDEN"), route


def test_an_id_that_was_sent_along_is_kept_in_the_refusal(scene: Scene) -> None:
    """And one that is no uuid is not."""
    given = str(uuid.uuid4())
    assert scene.api(None).get("/replay/state", {"X-Correlation-ID": given}).json["correlationId"] == given
    for other in ("x' OR '1'='1", "7", "a" * 500):
        answer = scene.api(None).get("/replay/state", {"X-Correlation-ID": other})
        assert is_refusal(answer, 401, "UNAUTHORIZED")
        assert answer.json["correlationId"] != other


# Tenants


def test_a_row_whose_owner_changes_leaves_one_tenant_for_the_other(scene: Scene) -> None:
    """Its tenant is in the column that TENANT_COLUMNS names for its table, whatever the usual column says."""
    scene.only_worker()
    begun = now(scene.app_dsn)
    scene.write(
        "CREATE SCHEMA owners",
        "CREATE TABLE owners.boat (id integer PRIMARY KEY, owner text, tenant_id text, name text)",
        "INSERT INTO owners.boat VALUES (1, 't1', 't2', 'moves'), (2, 't2', 't1', 'stays'), (3, NULL, 't1', 'hidden')",
    )
    wait_until(lambda: "1" in scene.rows("owners.boat"), 60, "the table is recorded")
    before = now(scene.app_dsn)
    scene.api().wait_settled(before)
    scene.write("UPDATE owners.boat SET owner = 't2' WHERE id = 1", "UPDATE owners.boat SET tenant_id = 't1'")
    wait_until(lambda: "1" in scene.rows("owners.boat", "bob"), 60, "it has come to the other")
    after = now(scene.app_dsn)
    scene.api().wait_settled(after)

    def boats(person: str, at: datetime) -> set[str]:
        rows = scene.api(person).state(at).rows
        return {row["entity_state"]["name"] for row in rows if row["table_name"] == "owners.boat"}

    assert (boats("alice", before), boats("bob", before)) == ({"moves"}, {"stays"})
    assert (boats("alice", after), boats("bob", after)) == (set(), {"moves", "stays"})

    def told(person: str) -> list[tuple[str, str]]:
        events = scene.api(person).events(begun, after).rows
        return [(event["entity_id"], event["op"]) for event in events if event["table_name"] == "owners.boat"]

    assert told("alice") == [("1", "c"), ("1", "d")]
    assert sorted(told("bob")) == [("1", "c"), ("1", "u"), ("2", "c"), ("2", "u")]


# A realm


@pytest.fixture
def keycloak(scene: Scene) -> Iterator[Keycloak]:
    distribution = Distribution(DEFAULT_ROOT / "keycloak")
    distribution.fetch()
    yield from run(Keycloak(scene.stack.root, Ports.unused().app, distribution))


@pytest.mark.timeout(600)  # the first run fetches Keycloak
def test_a_worker_takes_the_keys_of_a_realm_and_goes_on_without_it(scene: Scene, keycloak: Keycloak) -> None:
    """Without a file: a rotated key is taken while running; with the realm away, known keys go on, others are 401."""
    scene.only_worker()
    worker = scene.stack.add_worker({"IAMS_KEYCLOAK_URL": keycloak.issuer, "IAMS_JWKS_FILE": ""})
    try:
        old = keycloak.token("alice")
        assert Api(worker.port, old).state().status == 200
        assert is_refusal(Api(worker.port, scene.tokens["alice"]).state(), 401, "UNAUTHORIZED")
        assert is_refusal(Api(worker.port, keycloak.token("nobody")).state(), 403, "FORBIDDEN")
        keycloak.add_key("rotated")
        new = keycloak.token("bob")
        wait_until(lambda: Api(worker.port, new).state().status == 200, 60, "the new key is taken", every=0.2)
        keycloak.kill()
        unknown = Signer(rsa.generate_private_key(public_exponent=65537, key_size=2048), keycloak.issuer)
        for _ in range(3):
            begun = time.monotonic()
            assert is_refusal(Api(worker.port, unknown.person("alice", "t1")).state(), 401, "UNAUTHORIZED")
            scene.tell(f"refused after {time.monotonic() - begun:.1f} s")
            assert [Api(worker.port, token).state().status for token in (old, new)] == [200, 200]
        assert "request failed" not in scene.log(worker)
        assert new not in scene.log(worker)
    finally:
        scene.stack.remove_worker(worker)
