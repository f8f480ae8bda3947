"""Who asks: bearer tokens verified, and what they say about the caller.

RS256 only (RFC 7518, section 3.3), with the keys of `keys.py`. `iss`, `exp`, `nbf` and `iat` are checked, `aud` when
configured (RFC 7519, section 4.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from msr_stream.errors import Forbidden, Unauthorized
from msr_stream.keys import KeySet
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
    """Verifies tokens against a key set.

    Attributes:
        keys: the realm's.
    """

    def __init__(self, keys: KeySet, issuer: str, audience: str = "", tenant_claim: str = "active_tenant"):
        self.keys, self._issuer = keys, issuer
        self._audience, self._tenant_claim = audience, tenant_claim

    @classmethod
    def from_settings(cls, settings: Settings) -> Verifier:
        """The verifier that the settings describe.

        Raises:
            SettingsError: the file with the key set cannot be read.
        """
        return cls(
            KeySet.from_settings(settings),
            settings.iams_keycloak_url,
            settings.iams_audience,
            settings.iams_tenant_claim,
        )

    async def verify(self, authorization: str | None) -> Caller:
        """The caller that an `Authorization` header speaks for.

        Raises:
            Unauthorized: there is no bearer token, or it is not valid; the message says in which way.
        """
        scheme, _, token = (authorization or "").strip().partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized("send Authorization: Bearer and a token", headers={"WWW-Authenticate": "Bearer"})
        try:
            claims = await self._claims(token.strip())
        except jwt.PyJWTError as error:
            raise Unauthorized(
                f"the token is not valid: {error}", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}
            ) from error
        return self._caller(claims)

    async def _claims(self, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        if header.get("alg") != _ALGORITHM:
            raise jwt.InvalidAlgorithmError(f"its algorithm is {header.get('alg')!r}, wants {_ALGORITHM}")
        key = await self.keys.find(header.get("kid", ""))
        if key is None:
            why = "" if self.keys.reachable else ", as far as that is known: it cannot be asked for now"
            raise jwt.InvalidKeyError(f"its key is not in the realm's key set{why}")
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[_ALGORITHM],
            issuer=self._issuer,
            audience=self._audience or None,
            leeway=_LEEWAY,
            options={"require": ["exp", "iat", "iss", "sub"], "verify_aud": bool(self._audience)},
        )
        if _text(claims["sub"]) is None:
            raise jwt.InvalidTokenError("its sub is empty, or no text that can be stored")
        return claims

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        tenant = claims.get(self._tenant_claim)
        tenant = tenant if isinstance(tenant, dict) else {}
        realm = claims.get("realm_access")
        roles = [*_texts(tenant.get("roles")), *_texts(realm.get("roles") if isinstance(realm, dict) else None)]
        return Caller(
            user_id=claims["sub"],
            username=_text(claims.get("preferred_username")) or claims["sub"],
            tenant_id=_text(tenant.get("tenant_id", tenant.get("id"))),
            roles=frozenset(roles),
            expires_at=float(claims["exp"]),
        )


def _text(value: object) -> str | None:
    """The value if it is a text that can be stored: not empty, no NUL, no half of a surrogate pair."""
    if not isinstance(value, str) or not value or "\0" in value:
        return None
    return None if any("\ud800" <= character <= "\udfff" for character in value) else value


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
