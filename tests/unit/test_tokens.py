"""`python -m msr_stream token`: tokens signed with a key of our own, and errors in one line."""

from __future__ import annotations

import json
import time
from pathlib import Path

import jwt
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from msr_stream.__main__ import cli
from msr_stream.errors import SettingsError
from msr_stream.identity import Caller, Verifier
from msr_stream.keys import KeySet, parse
from msr_stream.tokens import LOCAL_ISSUER, Signer

PEM = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)


def _written(path: Path, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes | None = None) -> Path:
    secret = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(key.private_bytes(*PEM, secret))
    return path


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def stack(tmp_path: Path, key: rsa.RSAPrivateKey, monkeypatch: pytest.MonkeyPatch) -> Signer:
    """The folder of a local stack, and its signer."""
    monkeypatch.setenv("LOCAL_DIR", str(tmp_path))
    return Signer.from_file(_written(tmp_path / "keys" / "private.pem", key))


def _token(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["token", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert result.output.count("\n") == 1
    return result.output.strip()


async def _verified(token: str, signer: Signer, issuer: str = LOCAL_ISSUER) -> Caller:
    keys = parse(json.dumps(signer.key_set()).encode())

    async def fetch() -> dict[str, object]:
        return keys

    return await Verifier(KeySet(fetch), issuer).verify(f"Bearer {token}")


async def test_a_token_of_the_command_is_accepted_with_its_tenant_and_roles(stack: Signer) -> None:
    made = _token("carol", "--tenant", "t9", "--tenant-role", "tenant-admin", "--tenant-role", "x", "--realm-role", "y")
    caller = await _verified(made, stack)
    assert (caller.username, caller.tenant, caller.roles) == ("carol", "t9", frozenset({"tenant-admin", "x", "y"}))
    assert caller.user_id == (await _verified(_token("carol", "--tenant", "t1"), stack)).user_id
    assert caller.user_id != (await _verified(_token("dave", "--tenant", "t9"), stack)).user_id


async def test_a_token_has_the_lifetime_key_and_issuer_that_were_given(stack: Signer, tmp_path: Path) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = _written(tmp_path / "other.pem", other)
    issuer = "https://id.example.org/realms/aoh"
    made = _token("carol", "--tenant", "t9", "--lifetime", "15m", "--key", str(path), "--issuer", issuer)
    claims = jwt.decode(made, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 900
    assert abs(claims["iat"] - time.time()) < 60
    assert (await _verified(made, Signer(other), issuer)).tenant == "t9"
    assert jwt.get_unverified_header(made)["kid"] != stack.kid


@pytest.mark.parametrize("lifetime", ["soon", "", "0s", "-1h", "100ms"])
@pytest.mark.usefixtures("stack")
def test_a_lifetime_that_is_none_is_named(lifetime: str) -> None:
    with pytest.raises(SettingsError, match=f"^--lifetime: got '{lifetime}', wants "):
        _token("carol", "--tenant", "t9", f"--lifetime={lifetime}")


def test_a_key_that_is_none_is_named(tmp_path: Path, key: rsa.RSAPrivateKey) -> None:
    (tmp_path / "text").write_text("nothing")
    wrong = {
        tmp_path / "missing": "No such file",
        tmp_path: "directory",
        tmp_path / "text": "PEM file without a password",
        _written(tmp_path / "secret", key, b"password"): "PEM file without a password",
        _written(tmp_path / "elliptic", ec.generate_private_key(ec.SECP256R1())): "RSA key",
    }
    for path, says in wrong.items():
        with pytest.raises(SettingsError, match=says) as caught:
            _token("carol", "--tenant", "t9", "--key", str(path))
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
