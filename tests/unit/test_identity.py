"""Who asks: what a token must be, and what it says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from msr_stream.errors import Forbidden, KeysUnavailable, Unauthorized
from msr_stream.identity import Caller, Verifier
from msr_stream.keys import KeySet

ISSUER = "https://id.example.org/realms/aoh"
TENANT = {"tenant_id": "t1", "tenant_name": "One", "roles": ["tenant-admin"]}


@cache
def _key(name: str = "ours") -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _verifier(**given: Any) -> Verifier:
    return Verifier(KeySet(_realm_is_away, {"k1": _key().public_key()}), ISSUER, **given)


async def _realm_is_away() -> Mapping[str, Any]:
    raise KeysUnavailable


def _claims(**claims: Any) -> dict[str, Any]:
    now = int(time.time())
    usual = {
        "iss": ISSUER, "sub": "u1", "preferred_username": "alice", "iat": now, "nbf": now, "exp": now + 60,
        "active_tenant": TENANT, "realm_access": {"roles": ["system-admin"]},
    }  # fmt: skip
    return {name: value for name, value in {**usual, **claims}.items() if value is not ...}


def _token(key: Any = None, kid: str | None = "k1", algorithm: str = "RS256", **claims: Any) -> str:
    headers = {"kid": kid} if kid is not None else None
    payload = json.dumps(_claims(**claims)).encode()  # jwt.encode would refuse to make some of these
    return jwt.PyJWS().encode(payload, key or _key(), algorithm=algorithm, headers=headers)


def _by_hand(header: dict[str, Any], secret: bytes = b"") -> str:
    """A token that a library would not make."""
    parts = [json.dumps(header).encode(), json.dumps(_claims()).encode()]
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = hmac.new(secret, signed, hashlib.sha256).digest() if secret else b""
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


async def _verify(token: str, verifier: Verifier | None = None) -> Caller:
    return await (verifier or _verifier()).verify(f"Bearer {token}")


async def _refused(token: str, verifier: Verifier | None = None) -> Unauthorized:
    with pytest.raises(Unauthorized) as caught:
        await _verify(token, verifier)
    assert caught.value.status == 401
    assert caught.value.headers["WWW-Authenticate"].startswith("Bearer")
    return caught.value


async def test_a_good_token_says_who_asks() -> None:
    claims = _claims()
    caller = await _verify(_token(**claims))
    assert caller == Caller("u1", "alice", "t1", frozenset({"tenant-admin", "system-admin"}), claims["exp"])
    assert caller.tenant == "t1"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "token", "bearer"])
async def test_without_a_bearer_token_nobody_is_let_in(header: str | None) -> None:
    with pytest.raises(Unauthorized, match="Authorization: Bearer") as caught:
        await _verifier().verify(header)
    assert caught.value.headers == {"WWW-Authenticate": "Bearer"}


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer  "])
async def test_the_scheme_may_be_written_in_any_case(scheme: str) -> None:
    assert (await _verifier().verify(f"{scheme} {_token()}")).user_id == "u1"


@pytest.mark.parametrize("token", ["x", "a.b", "a.b.c", "..", "é.é.é", "\0", "a" * 100_000])
async def test_what_is_no_token_is_refused(token: str) -> None:
    await _refused(token)


async def test_a_token_of_algorithm_none_is_refused() -> None:
    error = await _refused(_by_hand({"alg": "none", "kid": "k1"}))
    assert "'none', wants RS256" in str(error)


@pytest.mark.parametrize(
    "algorithm", ["None", "NONE", "rs256", "RS512", "PS256", "ES256", "HS512", "", None, ["RS256"]]
)
async def test_a_token_of_any_other_algorithm_is_refused(algorithm: Any) -> None:
    await _refused(_by_hand({"alg": algorithm, "kid": "k1"}))


@pytest.mark.parametrize("form", [serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.PKCS1])
async def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(form: serialization.PublicFormat) -> None:
    """The classic confusion: HS256 with what everybody may know."""
    pem = _key().public_key().public_bytes(serialization.Encoding.PEM, form)
    assert "HS256" in str(await _refused(_by_hand({"alg": "HS256", "kid": "k1", "typ": "JWT"}, pem)))


async def test_a_good_key_under_another_algorithm_of_its_family_is_refused() -> None:
    await _refused(_token(algorithm="RS384"))
    await _refused(_token(algorithm="PS256"))


async def test_a_token_of_somebody_elses_key_is_refused() -> None:
    await _refused(_token(_key("theirs")))


async def test_a_token_that_was_changed_is_refused() -> None:
    head, _, signature = _token().split(".")
    other = base64.urlsafe_b64encode(json.dumps(_claims(sub="root")).encode()).rstrip(b"=").decode()
    await _refused(f"{head}.{other}.{signature}")
    await _refused(f"{head}.{other}.")


@pytest.mark.parametrize("kid", ["k2", "", None])
async def test_a_token_of_an_unknown_key_is_refused(kid: str | None) -> None:
    await _refused(_token(kid=kid))


@pytest.mark.parametrize("kid", [1, ["k1"], {"a": 1}])
async def test_a_key_id_that_is_no_text_is_refused(kid: Any) -> None:
    await _refused(_by_hand({"alg": "RS256", "kid": kid}))


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"iss": "https://evil.example.org"}, "issuer"),
        ({"iss": ISSUER + "/"}, "issuer"),
        ({"iss": [ISSUER]}, ""),
        ({"exp": int(time.time()) - 60}, "expired"),
        ({"exp": 0}, "expired"),
        ({"exp": "soon"}, ""),
        ({"nbf": int(time.time()) + 86_400}, "not yet valid"),
        ({"iat": int(time.time()) + 86_400}, "not yet valid"),
        ({"iss": ...}, "iss"),
        ({"exp": ...}, "exp"),
        ({"iat": ...}, "iat"),
        ({"sub": ...}, "sub"),
        ({"sub": 7}, ""),
    ],
)
async def test_a_token_that_is_not_good_now_and_here_is_refused_and_told_why(claims: dict[str, Any], says: str) -> None:
    assert says in str(await _refused(_token(**claims)))


async def test_clocks_may_differ_a_little() -> None:
    now = int(time.time())
    assert (await _verify(_token(exp=now - 3, nbf=now + 3, iat=now + 3))).user_id == "u1"


@pytest.mark.parametrize("audience", [..., "other", ["other"], "", []])
async def test_a_token_for_another_audience_is_refused_where_one_is_wanted(audience: Any) -> None:
    await _refused(_token(aud=audience), _verifier(audience="msr"))


@pytest.mark.parametrize("audience", ["msr", ["other", "msr"]])
async def test_a_token_for_this_audience_is_taken(audience: Any) -> None:
    assert (await _verify(_token(aud=audience), _verifier(audience="msr"))).user_id == "u1"


@pytest.mark.parametrize("audience", [..., "other", ["account"]])
async def test_where_no_audience_is_wanted_any_will_do(audience: Any) -> None:
    assert (await _verify(_token(aud=audience))).user_id == "u1"


@pytest.mark.parametrize(
    "tenant", [{"tenant_id": "t1", "tenant_name": "One", "roles": ["r"]}, {"id": "t1", "name": "One", "roles": ["r"]}]
)
async def test_the_active_tenant_has_one_of_two_shapes(tenant: dict[str, Any]) -> None:
    caller = await _verify(_token(active_tenant=tenant, realm_access=...))
    assert (caller.tenant, caller.roles) == ("t1", frozenset({"r"}))


async def test_the_tenants_claim_may_have_another_name() -> None:
    caller = await _verify(_token(active_tenant=..., organisation=TENANT), _verifier(tenant_claim="organisation"))
    assert caller.tenant == "t1"


@pytest.mark.parametrize(
    "tenant", [..., None, {}, "t1", [], {"tenant_id": None}, {"tenant_id": ""}, {"tenant_id": 7}, {"roles": ["r"]}]
)
async def test_a_token_without_an_active_tenant_is_a_token_but_has_no_tenant(tenant: Any) -> None:
    caller = await _verify(_token(active_tenant=tenant))
    assert caller.tenant_id is None
    with pytest.raises(Forbidden, match="active tenant"):
        _ = caller.tenant


@pytest.mark.parametrize("access", [..., None, {}, [], "admin", {"roles": "admin"}, {"roles": [1, None, {}]}])
async def test_roles_that_are_no_list_of_texts_are_no_roles(access: Any) -> None:
    assert (await _verify(_token(realm_access=access, active_tenant={"tenant_id": "t1"}))).roles == frozenset()


@pytest.mark.parametrize("text", ["", "a\0b", "\ud800"])
async def test_what_no_database_can_hold_names_nobody(text: str) -> None:
    """A NUL or half a character would be a crash in a query: such a tenant is none, such a subject is refused."""
    assert (await _verify(_token(active_tenant={"tenant_id": text, "roles": ["r"]}))).tenant_id is None
    assert (await _verify(_token(preferred_username=text))).username == "u1"
    assert "sub" in str(await _refused(_token(sub=text)))


async def test_a_user_without_a_name_is_called_by_the_subject() -> None:
    assert (await _verify(_token(preferred_username=...))).username == "u1"


async def test_the_token_is_not_part_of_the_refusal() -> None:
    token = _token(_key("theirs"))
    assert token.split(".")[2] not in str(await _refused(token))
