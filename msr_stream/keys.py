"""The realm's keys (a JWKS, RFC 7517): fetched from it or read from a file, and looked for again when one is unknown.

While the realm is away the known keys go on working. Who shows an unknown key waits for one request at most: many at
once share it, and after each there is a pause, so that nobody can make us hammer the realm.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import jwt

from msr_stream import logs
from msr_stream.errors import KeysUnavailable, SettingsError
from msr_stream.settings import Settings

log = logs.get(__name__)

Fetch = Callable[[], Awaitable[Mapping[str, Any]]]

#: Where Keycloak publishes a realm's keys, below the realm's own address.
_CERTS = "/protocol/openid-connect/certs"
#: Longest that a request to the realm may take, in seconds: somebody waits for its outcome.
_LIMIT = 2.0
#: Seconds from the end of one look to the next that an unknown key may cause, at the realm and at a file.
_PAUSE, _FILE_PAUSE = 5.0, 0.5


class KeySet:
    """Keys by their id (`kid`), the newest that could be had.

    Attributes:
        reachable: whether the last look at the realm or the file succeeded.
        trouble: why it did not.
    """

    def __init__(
        self,
        fetch: Fetch,
        known: Mapping[str, Any] | None = None,
        *,
        pause: float = _PAUSE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take a way to the keys; none is fetched yet.

        Args:
            fetch: gives all keys there are now, or raises KeysUnavailable.
            known: keys to begin with.
            pause: seconds between two fetches for unknown keys.
            clock: monotonic seconds.
        """
        self.reachable, self.trouble = True, ""
        self._fetch, self._known = fetch, dict(known or {})
        self._pause, self._clock = pause, clock
        self._lock = asyncio.Lock()
        self._fetches = 0
        self._fetched_at: float | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> KeySet:
        """The keys that the settings describe: of a file if there is one, else of the realm.

        Raises:
            SettingsError: the file cannot be read.
        """
        if settings.iams_jwks_file is None:
            return cls(realm(settings.iams_jwks_url or settings.iams_keycloak_url + _CERTS))
        file = KeyFile(settings.iams_jwks_file)
        try:
            known = file.read()
        except KeysUnavailable as error:
            wants = "a JWKS file with at least one RSA key with a kid"
            raise SettingsError(
                f"IAMS_JWKS_FILE: got {str(settings.iams_jwks_file)!r}, wants {wants} ({error})"
            ) from error
        return cls(file.fetch, known, pause=_FILE_PAUSE)

    async def find(self, kid: str) -> Any | None:
        """The key of this id; `None` if nobody knows it, also when the realm does not answer."""
        if kid not in self._known and (self._lock.locked() or self._is_due()):
            await self.refresh()
        return self._known.get(kid)

    async def refresh(self) -> None:
        """Fetch all keys: who asks while that is under way waits for its outcome. A failure keeps the known ones."""
        fetches = self._fetches
        async with self._lock:
            if self._fetches == fetches:
                await self._replace()

    @property
    def ids(self) -> list[str]:
        """The ids of the keys that are known."""
        return sorted(self._known)

    def _is_due(self) -> bool:
        return self._fetched_at is None or self._clock() - self._fetched_at >= self._pause

    async def _replace(self) -> None:
        try:
            keys = dict(await self._fetch())
        except KeysUnavailable as error:
            if self.reachable:
                log.warning("the keys of the realm cannot be had", reason=str(error), known=sorted(self._known))
            self.reachable, self.trouble = False, str(error)
        else:
            if keys.keys() != self._known.keys() or not self.reachable:
                log.info("the keys of the realm", known=sorted(keys))
            self._known, self.reachable, self.trouble = keys, True, ""
        self._fetches += 1
        self._fetched_at = self._clock()


class KeyFile:
    """A key set in a file, read again when that was written again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: dict[str, Any] = {}
        self._version: tuple[int, int, int] | None = None

    async def fetch(self) -> Mapping[str, Any]:
        """What `read` gives, beside the event loop."""
        return await asyncio.to_thread(self.read)

    def read(self) -> Mapping[str, Any]:
        """The keys that lie there now.

        Raises:
            KeysUnavailable: there is no such file, or it is no key set.
        """
        try:
            about = self._path.stat()
            version = about.st_mtime_ns, about.st_size, about.st_ino
            if version != self._version:
                self._keys, self._version = parse(self._path.read_bytes()), version
        except OSError as error:
            raise KeysUnavailable(str(error)) from error
        return self._keys


def realm(url: str) -> Fetch:
    """A way to the key set at an address."""

    async def fetch() -> Mapping[str, Any]:
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_LIMIT)) as session,
                session.get(url) as response,
            ):
                response.raise_for_status()
                content = await response.read()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise KeysUnavailable(f"{url}: {str(error) or type(error).__name__}") from error
        return parse(content)

    return fetch


def parse(content: bytes) -> dict[str, Any]:
    """The RSA keys of a JWKS that may sign, by `kid`; other keys in it are passed over.

    Raises:
        KeysUnavailable: it is no key set, or has no such key.
    """
    try:
        keys = jwt.PyJWKSet.from_dict(json.loads(content)).keys
    except (ValueError, AttributeError, TypeError, jwt.PyJWTError) as error:
        raise KeysUnavailable(f"it is no key set: {error}") from error
    found = {
        key.key_id: key.key
        for key in keys
        if isinstance(key.key_id, str) and key.key_type == "RSA" and key.public_key_use in (None, "sig")
    }
    if not found:
        raise KeysUnavailable("it has no RSA key for signatures that has a kid")
    return found
