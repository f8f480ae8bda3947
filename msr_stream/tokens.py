"""Tokens signed with a key of our own, where there is no realm: the demo, tests, sites of their own.

`python -m msr_stream token alice --tenant t1` prints one that the local stack's workers accept.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from msr_stream.errors import SettingsError
from msr_stream.settings_types import duration

#: The realm that the local stack's workers trust.
LOCAL_ISSUER = "http://localhost/realms/msr-local"
#: Seconds that a token lasts unless said otherwise.
WEEK = 7 * 24 * 3600.0


class Signer:
    """Signs tokens as a realm would.

    Attributes:
        issuer: the realm that the tokens name.
        kid: the key's id: the first digits of its modulus, so that another key has another one.
    """

    def __init__(self, key: rsa.RSAPrivateKey, issuer: str = LOCAL_ISSUER) -> None:
        self.issuer = issuer
        self.kid = f"{key.public_key().public_numbers().n:x}"[:16]
        self._key = key

    @classmethod
    def from_file(cls, path: Path, issuer: str = LOCAL_ISSUER) -> Signer:
        """One with the RSA key of a PEM file.

        Raises:
            SettingsError: there is no such file, or something else is in it.
        """
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            reason = f" ({error.strerror})" if isinstance(error, OSError) else ""
            raise SettingsError(f"the key: got {str(path)!r}, wants a PEM file without a password{reason}") from error
        if not isinstance(key, rsa.RSAPrivateKey):
            raise SettingsError(f"the key: got {str(path)!r}, wants an RSA key")
        return cls(key, issuer)

    def key_set(self) -> dict[str, Any]:
        """The JWKS (RFC 7517) to verify its tokens with."""
        key: dict[str, Any] = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        key.pop("key_ops", None)
        return {"keys": [{**key, "kid": self.kid, "use": "sig", "alg": "RS256"}]}

    def sign(self, claims: Mapping[str, Any], lifetime: float = WEEK) -> str:
        """A token with these claims; issuer and times are added unless given.

        Args:
            claims: what it says.
            lifetime: seconds from now until it ends.
        """
        now = int(time.time())
        times = {"iss": self.issuer, "iat": now, "nbf": now, "exp": now + int(lifetime)}
        return jwt.encode({**times, **claims}, self._key, algorithm="RS256", headers={"kid": self.kid})

    def person(
        self,
        name: str,
        tenant: str,
        tenant_roles: Sequence[str] = (),
        realm_roles: Sequence[str] = (),
        lifetime: float = WEEK,
    ) -> str:
        """A token for somebody of a tenant.

        Args:
            name: the user's name; the same name has the same `sub`.
            tenant: the active tenant.
            tenant_roles: roles in that tenant.
            realm_roles: roles in the realm.
            lifetime: seconds from now until it ends.
        """
        active = {"tenant_id": tenant, "tenant_name": f"Tenant {tenant}", "roles": [*tenant_roles]}
        claims = {
            "sub": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.issuer}/{name}")),
            "preferred_username": name,
            "realm_access": {"roles": [*realm_roles]},
            "active_tenant": active,
        }
        return self.sign(claims, lifetime)


@click.command()
@click.argument("name")
@click.option("--tenant", required=True, help="The active tenant.")
@click.option("--tenant-role", "tenant_roles", multiple=True, help="A role in that tenant; may be repeated.")
@click.option("--realm-role", "realm_roles", multiple=True, help="A role in the realm; may be repeated.")
@click.option("--lifetime", default="7d", show_default=True, help="How long it lasts: 90s, 15m, 12h, 7d.")
@click.option("--issuer", default=LOCAL_ISSUER, show_default=True, help="The realm that it names.")
@click.option("--key", type=click.Path(path_type=Path), help="RSA key, PEM.  [default: that of the local stack]")
def token(
    name: str,
    tenant: str,
    tenant_roles: tuple[str, ...],
    realm_roles: tuple[str, ...],
    lifetime: str,
    issuer: str,
    key: Path | None,
) -> None:
    """Print a token for NAME, signed with the local stack's key or another."""
    signer = Signer.from_file(key or Path(os.environ.get("LOCAL_DIR") or ".local", "keys", "private.pem"), issuer)
    click.echo(signer.person(name, tenant, tenant_roles, realm_roles, _lifetime(lifetime)))


def _lifetime(text: str) -> float:
    try:
        seconds = duration(text)
    except ValueError as error:
        raise SettingsError(f"--lifetime: got {text!r}, wants {error}") from error
    if seconds < 1:
        raise SettingsError(f"--lifetime: got {text!r}, wants at least 1s")
    return seconds
