"""The console: the pages that `make ui` has built, served to everybody; what they show needs a token."""

from __future__ import annotations

import hashlib
import mimetypes
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import BaseModel

from msr_stream.errors import NotFound
from web import answers
from web.middleware import runtime
from web.routes import Requires, Route

_NOT_BUILT = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>MSR</title></head>
<body><h1>The console is not built</h1><p>Run <code>make ui</code>, then start the worker again.</p>
<p>The API is described at <a href="docs">docs</a>.</p></body>
</html>
"""
#: Names of assets hold a hash of their content: what has a name never changes.
_FOREVER = "public, max-age=31536000, immutable"
#: Encodings that are made when the console is built, the smallest first, and the ends of their files' names.
_ENCODINGS = {"br": ".br", "gzip": ".gz"}


class ConsoleView(BaseModel):
    """What the console must know before anybody has signed in.

    `demo`: no realm is there to sign in to, tokens come in the address.
    """

    version: str
    issuer: str
    client_id: str
    demo: bool


class _File(NamedTuple):
    """A built file, as it is and compressed."""

    content_type: str
    etag: str
    bodies: dict[str, bytes]


async def page(request: web.Request) -> web.Response:
    """The console."""
    policy = {"Content-Security-Policy": content_security_policy(runtime(request).settings.iams_keycloak_url)}
    try:
        return _answer(request, _read(_folder(), "index.html"), policy | {"Cache-Control": "no-cache"})
    except NotFound:
        return web.Response(text=_NOT_BUILT, content_type="text/html", headers=policy)


async def asset(request: web.Request) -> web.Response:
    """A part of the console."""
    return _answer(request, _read(_folder() / "assets", request.match_info["name"]), {"Cache-Control": _FOREVER})


async def about(request: web.Request) -> web.Response:
    """Where one signs in to the console, and which version this is."""
    settings = runtime(request).settings
    return answers.data(
        ConsoleView(
            version=version("msr-stream"),
            issuer=settings.iams_keycloak_url,
            client_id=settings.console_client_id,
            demo=settings.iams_jwks_file is not None,
        ).model_dump()
    )


def content_security_policy(issuer: str) -> str:
    """What the console's page may do: nothing from another origin, but for the realm that signs people in."""
    realm = urlsplit(issuer)
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        f"connect-src 'self' {realm.scheme}://{realm.netloc}; worker-src 'self'; manifest-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _folder() -> Path:
    return Path(str(files("web"))) / "console"


@cache
def _read(folder: Path, name: str) -> _File:
    """A built file; only names of files in the folder lead to one.

    Raises:
        NotFound: there is none.
    """
    path = folder / name
    if path.name != name or name.endswith(tuple(_ENCODINGS.values())) or not path.is_file():
        raise NotFound
    plain = path.read_bytes()
    bodies = {
        encoding: compressed.read_bytes()
        for encoding, end in _ENCODINGS.items()
        if (compressed := path.with_name(name + end)).is_file()
    }
    content_type = "text/javascript" if name.endswith((".js", ".mjs")) else mimetypes.guess_type(name)[0]
    etag = f'"{hashlib.sha256(plain).hexdigest()[:32]}"'
    return _File(content_type or "application/octet-stream", etag, {**bodies, "identity": plain})


def _answer(request: web.Request, file: _File, headers: dict[str, str]) -> web.Response:
    accepted = request.headers.get("Accept-Encoding", "").lower()
    encoding = next((name for name in file.bodies if name in accepted), "identity")
    headers = headers | {"ETag": file.etag, "Vary": "Accept-Encoding"}
    if file.etag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    if encoding != "identity":
        headers["Content-Encoding"] = encoding
    charset = "utf-8" if file.content_type.startswith("text/") else None
    return web.Response(body=file.bodies[encoding], content_type=file.content_type, charset=charset, headers=headers)


ROUTES = [
    Route("GET", "/", page, Requires.NOTHING, "console", raw="text/html"),
    Route("GET", "/assets/{name}", asset, Requires.NOTHING, "console", raw="application/octet-stream", errors=(404,)),
    Route("GET", "/console.json", about, Requires.NOTHING, "console", data=ConsoleView),
]
