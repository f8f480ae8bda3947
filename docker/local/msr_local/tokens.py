"""Who may knock: a key of our own, its key set, and a week's tokens for four people."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from msr_stream.tokens import LOCAL_ISSUER, WEEK, Signer

DAY = 24 * 3600

# Name: tenant, roles in it, roles in the realm.
PEOPLE: dict[str, tuple[str, list[str], list[str]]] = {
    "alice": ("t1", [], []),
    "bob": ("t2", [], []),
    "admin": ("t1", ["tenant-admin"], []),
    "root": ("t1", [], ["system-admin"]),
}


class Tokens:
    """The stack's key and the four people's tokens, kept in files.

    Attributes:
        jwks_file: The key set, for IAMS_JWKS_FILE.
        issuer: The realm, for IAMS_KEYCLOAK_URL.
    """

    def __init__(self, root: Path, issuer: str = LOCAL_ISSUER) -> None:
        self.issuer = issuer
        self.jwks_file = root / "keys" / "jwks.json"
        self._key_file = root / "keys" / "private.pem"
        self._folder = root / "tokens"
        self._made: Signer | None = None

    def ensure(self) -> dict[str, str]:
        """Make the key once, and tokens anew when less than a day of them is left.

        Returns:
            A token for each of the four people; each also lies in a file of that name in `tokens/`.
        """
        self._signer()
        self._folder.mkdir(parents=True, exist_ok=True)
        return {name: self._ensure_token(name) for name in PEOPLE}

    def sign(self, claims: Mapping[str, Any], lifetime: float = WEEK) -> str:
        """A token with these claims; issuer and times are added unless given.

        Args:
            claims: What it says.
            lifetime: Seconds from now until it ends.
        """
        return self._signer().sign(claims, lifetime)

    def person(self, name: str, tenant: str, tenant_roles: Sequence[str] = (), realm_roles: Sequence[str] = ()) -> str:
        """A week's token for somebody of a tenant; see `Signer.person`."""
        return self._signer().person(name, tenant, tenant_roles, realm_roles)

    def _ensure_token(self, name: str) -> str:
        path = self._folder / name
        if path.exists() and self._lasts(path.read_text().strip()):
            return path.read_text().strip()
        token = self._signer().person(name, *PEOPLE[name])
        _write_secret(path, token.encode())
        return token

    def _lasts(self, token: str) -> bool:
        """Whether it is ours and good for another day."""
        try:
            key = jwt.PyJWKSet.from_dict(self._signer().key_set()).keys[0]
            claims = jwt.decode(token, key, algorithms=["RS256"], issuer=self.issuer)
        except jwt.InvalidTokenError:
            return False
        return bool(claims["exp"] > time.time() + DAY)

    def _signer(self) -> Signer:
        if self._made is not None:
            return self._made
        if not self._key_file.exists():
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            self._key_file.parent.mkdir(parents=True, exist_ok=True)
            form = serialization.PrivateFormat.PKCS8
            pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
            _write_secret(self._key_file, pem)
        self._made = Signer.from_file(self._key_file, self.issuer)
        self.jwks_file.write_text(json.dumps(self._made.key_set(), indent=2) + "\n")
        return self._made


def _write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_bytes(content)
    fresh.replace(path)
