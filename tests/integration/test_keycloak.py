"""A real Keycloak: its tokens are accepted, its keys may change while we run, and it may be away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from msr_local.keycloak import Distribution, Keycloak
from msr_local.ports import Ports
from msr_local.stack import DEFAULT_ROOT

from msr_stream.errors import Forbidden, Unauthorized
from msr_stream.identity import Caller, Verifier
from msr_stream.settings import Settings
from msr_stream.tokens import Signer
from tests.conftest import run

pytestmark = pytest.mark.timeout(600)  # the first run fetches Keycloak


@pytest.fixture(scope="module")
def distribution() -> Distribution:
    distribution = Distribution(DEFAULT_ROOT / "keycloak")
    distribution.fetch()
    return distribution


@pytest.fixture(scope="module")
def keycloak(tmp_path_factory: pytest.TempPathFactory, distribution: Distribution) -> Iterator[Keycloak]:
    yield from run(Keycloak(tmp_path_factory.mktemp("realm"), Ports.unused().app, distribution))


@pytest.fixture
def running(keycloak: Keycloak) -> Keycloak:
    """The realm, up again if a test has stopped it."""
    keycloak.start()
    keycloak.wait_ready(120)
    return keycloak


@pytest.fixture(scope="module")
def stranger(keycloak: Keycloak) -> Signer:
    """Somebody who says to be the realm, with a key that it never had."""
    return Signer(rsa.generate_private_key(public_exponent=65537, key_size=2048), keycloak.issuer)


def verifier_of(keycloak: Keycloak, audience: str = "") -> Verifier:
    """What a worker has whose settings name the realm and nothing else."""
    settings = Settings(
        database_host="127.0.0.1",
        database_name="history",
        database_user="aoh_msr_user",
        kafka_brokers=["127.0.0.1:9"],
        iams_keycloak_url=keycloak.issuer,
        iams_jwks_url="",
        iams_jwks_file=None,
        iams_audience=audience,
    )
    return Verifier.from_settings(settings)


async def verified(verifier: Verifier, token: str) -> Caller:
    return await verifier.verify(f"Bearer {token}")


async def refused(verifier: Verifier, token: str, limit: float = 20) -> str:
    """Why a token is refused: with 401 and no other error, and never after waiting without an end."""
    async with asyncio.timeout(limit):
        with pytest.raises(Unauthorized) as caught:
            await verified(verifier, token)
    return str(caught.value)


def key_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def test_the_realms_people_are_let_in_with_their_tenants_and_roles(running: Keycloak) -> None:
    verifier = verifier_of(running)
    people = {
        "alice": ("t1", frozenset[str]()),
        "bob": ("t2", frozenset[str]()),
        "admin": ("t1", frozenset({"tenant-admin"})),
        "root": ("t1", frozenset({"system-admin"})),
    }
    for name, (tenant, roles) in people.items():
        caller = await verified(verifier, running.token(name))
        assert (caller.username, caller.tenant, caller.roles) == (name, tenant, roles)
    callers = [await verified(verifier, running.token(name)) for name in ("alice", "alice", "bob")]
    assert callers[0].user_id == callers[1].user_id != callers[2].user_id


async def test_somebody_without_a_tenant_is_known_but_has_none(running: Keycloak) -> None:
    caller = await verified(verifier_of(running), running.token("nobody"))
    with pytest.raises(Forbidden, match="active tenant"):
        _ = caller.tenant


async def test_the_audience_counts_when_one_is_wanted(running: Keycloak) -> None:
    token = running.token("alice")
    assert (await verified(verifier_of(running, "msr"), token)).username == "alice"
    assert "udience" in await refused(verifier_of(running, "other"), token)


async def test_a_token_of_another_realm_is_refused(running: Keycloak) -> None:
    """The same server's, signed by another realm's key."""
    assert "not in the realm's key set" in await refused(verifier_of(running), running.administrators_token())


async def test_a_key_that_the_realm_never_had_is_refused(running: Keycloak, stranger: Signer) -> None:
    verifier = verifier_of(running)
    assert "not in the realm's key set" in await refused(verifier, stranger.person("alice", "t1"))
    assert (await verified(verifier, running.token("alice"))).tenant == "t1"


async def test_known_keys_go_on_while_the_realm_is_away(running: Keycloak, stranger: Signer) -> None:
    """An unknown key is 401, at once; the realm comes back, and its keys are those that it had."""
    verifier, token = verifier_of(running), running.token("alice")
    await verified(verifier, token)
    running.kill()
    await verifier.keys.refresh()
    assert not verifier.keys.reachable
    assert (await verified(verifier, token)).tenant == "t1"
    assert "cannot be asked for now" in await refused(verifier, stranger.person("alice", "t1"))
    begun = verifier_of(running)
    assert "cannot be asked for now" in await refused(begun, token)
    running.start()
    running.wait_ready(120)
    await accepted(begun, running.token("alice"))


async def test_a_new_key_of_the_realm_is_taken_while_running(running: Keycloak) -> None:
    """Without a restart; the old key goes on as long as it is published, and not longer."""
    verifier, old = verifier_of(running), running.token("alice")
    await verified(verifier, old)
    running.add_key("rotated")
    new = running.token("alice")
    assert key_of(new) != key_of(old)
    await accepted(verifier, new)
    assert (await verified(verifier, old)).tenant == "t1"
    running.remove_key("rsa-generated")
    await verifier.keys.refresh()  # a worker does it once a minute
    assert "not in the realm's key set" in await refused(verifier, old)
    assert (await verified(verifier, new)).tenant == "t1"


async def accepted(verifier: Verifier, token: str, limit: float = 60) -> None:
    """Wait until a token is let in: between two looks at the realm lies a pause."""
    deadline = time.monotonic() + limit
    while True:
        try:
            await verified(verifier, token)
        except Unauthorized:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)
        else:
            return
