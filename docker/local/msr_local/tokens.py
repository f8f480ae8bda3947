"""Who may knock: a key of our own, its key set, and a week's tokens for four people."""

import json
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

DAY = 24 * 3600
ISSUER = "http://localhost/realms/msr-local"

# Name: tenant, roles in it, roles in the realm.
PEOPLE: dict[str, tuple[str, list[str], list[str]]] = {
    "alice": ("t1", [], []),
    "bob": ("t2", [], []),
    "admin": ("t1", ["tenant-admin"], []),
    "root": ("t1", [], ["system-admin"]),
}


class Tokens:
    """Signs tokens as the realm would.

    Attributes:
        jwks_file: The key set, for IAMS_JWKS_FILE.
        issuer: The realm, for IAMS_KEYCLOAK_URL.
    """

    def __init__(self, root: Path, issuer: str = ISSUER) -> None:
        self.issuer = issuer
        self.jwks_file = root / "keys" / "jwks.json"
        self._key_file = root / "keys" / "private.pem"
        self._folder = root / "tokens"
        self._key: rsa.RSAPrivateKey | None = None

    def ensure(self) -> dict[str, str]:
        """Make the key once, and tokens anew when less than a day of them is left.

        Returns:
            A token for each of the four people; each also lies in a file of that name in `tokens/`.
        """
        self._load_key()
        self._folder.mkdir(parents=True, exist_ok=True)
        return {name: self._ensure_token(name) for name in PEOPLE}

    def sign(self, claims: Mapping[str, Any], lifetime: float = 7 * DAY) -> str:
        """A token with these claims; issuer and times are added unless given.

        Args:
            claims: What it says.
            lifetime: Seconds from now until it ends.
        """
        key = self._load_key()
        now = int(time.time())
        times = {"iss": self.issuer, "iat": now, "nbf": now, "exp": now + int(lifetime)}
        return jwt.encode({**times, **claims}, key, algorithm="RS256", headers={"kid": _key_id(key)})

    def person(
        self,
        name: str,
        tenant: str,
        tenant_roles: list[str] | None = None,
        realm_roles: list[str] | None = None,
    ) -> str:
        """A week's token for somebody of a tenant.

        Args:
            name: The user's name; the same name has the same `sub`.
            tenant: The active tenant.
            tenant_roles: Roles in that tenant.
            realm_roles: Roles in the realm.
        """
        return self.sign(
            {
                "sub": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.issuer}/{name}")),
                "preferred_username": name,
                "realm_access": {"roles": realm_roles or []},
                "active_tenant": {
                    "tenant_id": tenant,
                    "tenant_name": f"Tenant {tenant}",
                    "roles": tenant_roles or [],
                },
            }
        )

    def _ensure_token(self, name: str) -> str:
        path = self._folder / name
        if path.exists() and self._lasts(path.read_text().strip()):
            return path.read_text().strip()
        token = self.person(name, *PEOPLE[name])
        _write_secret(path, token.encode())
        return token

    def _lasts(self, token: str) -> bool:
        """Whether it is ours and good for another day."""
        try:
            claims = jwt.decode(token, self._load_key().public_key(), algorithms=["RS256"], issuer=self.issuer)
        except jwt.InvalidTokenError:
            return False
        return bool(claims["exp"] > time.time() + DAY)

    def _load_key(self) -> rsa.RSAPrivateKey:
        if self._key is not None:
            return self._key
        if self._key_file.exists():
            loaded = serialization.load_pem_private_key(self._key_file.read_bytes(), None)
            assert isinstance(loaded, rsa.RSAPrivateKey)
            self._key = loaded
        else:
            self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            self._key_file.parent.mkdir(parents=True, exist_ok=True)
            _write_secret(
                self._key_file,
                self._key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                ),
            )
        jwk = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        jwk.update(kid=_key_id(self._key), use="sig", alg="RS256")
        jwk.pop("key_ops", None)
        self.jwks_file.write_text(json.dumps({"keys": [jwk]}, indent=2) + "\n")
        return self._key


def _key_id(key: rsa.RSAPrivateKey) -> str:
    """The first digits of the modulus: another key has another id."""
    return f"{key.public_key().public_numbers().n:x}"[:16]


def _write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_bytes(content)
    fresh.replace(path)
