"""Who asks: bearer tokens verified, and what they say about the caller.

RS256 only (RFC 7518, section 3.3), keys from a JWKS (RFC 7517). `iss`, `exp`, `nbf` and `iat` are checked, `aud`
when configured (RFC 7519, section 4.1).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from msr_stream.errors import Forbidden, SettingsError, Unauthorized
from msr_stream.settings import Settings

_ALGORITHM = "RS256"
#: Clocks of two machines may differ by so many seconds.
_LEEWAY = 10


@dataclass(frozen=True)
class Caller:
    """What a verified token says.

    Attributes:
        user_id: the subject.
        username: for people to read.
        tenant_id: the active tenant; `None` if the token has none.
        roles: of the realm and of the active tenant.
        expires_at: when the token expires, seconds since 1970.
    """

    user_id: str
    username: str
    tenant_id: str | None
    roles: frozenset[str]
    expires_at: float = 0.0

    def is_admin(self, settings: Settings) -> bool:
        """Whether it administers something: its own tenant's sessions at least."""
        return not self.roles.isdisjoint(settings.admin_roles)

    def is_system_admin(self, settings: Settings) -> bool:
        """Whether it administers all tenants."""
        return not self.roles.isdisjoint(settings.system_admin_roles)

    @property
    def tenant(self) -> str:
        """The active tenant.

        Raises:
            Forbidden: the token has none.
        """
        if not self.tenant_id:
            raise Forbidden("this needs a token with an active tenant")
        return self.tenant_id


class Verifier:
    """Verifies tokens against a key set."""

    def __init__(self, keys: Mapping[str, Any], issuer: str, audience: str = "", tenant_claim: str = "active_tenant"):
        self._keys, self._issuer = keys, issuer
        self._audience, self._tenant_claim = audience, tenant_claim

    @classmethod
    def from_settings(cls, settings: Settings) -> Verifier:
        """The verifier that the settings describe.

        Raises:
            SettingsError: the key set cannot be read.
        """
        return cls(
            read_keys(settings.iams_jwks_file),
            settings.iams_keycloak_url,
            settings.iams_audience,
            settings.iams_tenant_claim,
        )

    def verify(self, authorization: str | None) -> Caller:
        """The caller that an `Authorization` header speaks for.

        Raises:
            Unauthorized: there is no bearer token, or it is not valid; the message says in which way.
        """
        scheme, _, token = (authorization or "").strip().partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized("send Authorization: Bearer and a token", headers={"WWW-Authenticate": "Bearer"})
        try:
            claims = self._claims(token.strip())
        except jwt.PyJWTError as error:
            raise Unauthorized(
                f"the token is not valid: {error}", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}
            ) from error
        return self._caller(claims)

    def _claims(self, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        if header.get("alg") != _ALGORITHM:
            raise jwt.InvalidAlgorithmError(f"its algorithm is {header.get('alg')!r}, wants {_ALGORITHM}")
        key = self._keys.get(header.get("kid", ""))
        if key is None:
            raise jwt.InvalidKeyError("its key is not in the realm's key set")
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[_ALGORITHM],
            issuer=self._issuer,
            audience=self._audience or None,
            leeway=_LEEWAY,
            options={"require": ["exp", "iat", "iss", "sub"], "verify_aud": bool(self._audience)},
        )
        return claims

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        tenant = claims.get(self._tenant_claim)
        tenant = tenant if isinstance(tenant, dict) else {}
        tenant_id = tenant.get("tenant_id", tenant.get("id"))
        realm = claims.get("realm_access")
        roles = [*_texts(tenant.get("roles")), *_texts(realm.get("roles") if isinstance(realm, dict) else None)]
        return Caller(
            user_id=str(claims["sub"]),
            username=str(claims.get("preferred_username", claims["sub"])),
            tenant_id=tenant_id if isinstance(tenant_id, str) and tenant_id else None,
            roles=frozenset(roles),
            expires_at=float(claims["exp"]),
        )


def read_keys(path: Path) -> dict[str, Any]:
    """RSA keys by `kid` from a JWKS file.

    Raises:
        SettingsError: the file is no key set, or has no RSA key with a `kid`.
    """
    try:
        keys = jwt.PyJWKSet.from_dict(json.loads(path.read_text())).keys
    except (OSError, ValueError, AttributeError, TypeError, jwt.PyJWTError) as error:
        raise SettingsError(f"IAMS_JWKS_FILE: got {str(path)!r}, wants a JWKS file ({error})") from error
    found = {key.key_id: key.key for key in keys if key.key_id and key.key_type == "RSA"}
    if not found:
        raise SettingsError(f"IAMS_JWKS_FILE: got {str(path)!r}, wants at least one RSA key with a kid")
    return found


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
