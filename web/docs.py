"""The API's description, and a page that shows it, without a request to anywhere else."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from importlib.resources import files

import orjson
from aiohttp import web

from msr_stream.errors import NotFound
from web.openapi import Description
from web.routes import ALL_ROUTES, Requires, Route

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>MSR: the API</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
#: A token may come in the address, after `#token=`: it stays in the browser, and leaves the address at once.
_START = """
const token = new URLSearchParams(location.hash.slice(1)).get("token");
if (token) history.replaceState(null, "", location.pathname);
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  requestInterceptor: (request) => {
    if (token && !request.headers.Authorization) request.headers.Authorization = `Bearer ${token}`;
    return request;
  },
});
"""
_TYPES = {"css": "text/css", "js": "text/javascript", "png": "image/png"}
_FILES = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


async def description(request: web.Request) -> web.Response:
    """What this API takes and gives, as an OpenAPI 3.1 document."""
    return web.Response(body=_document(request.app[ALL_ROUTES]), content_type="application/json")


async def page(request: web.Request) -> web.Response:
    """The API to read and to try."""
    return web.Response(text=_PAGE, content_type="text/html", headers={"Content-Security-Policy": _POLICY})


async def part(request: web.Request) -> web.Response:
    """A part of the page."""
    name = request.match_info["name"]
    if name == "start.js":
        return web.Response(text=_START, content_type=_TYPES["js"])
    if name not in _FILES:
        raise NotFound
    content = files("swagger_ui").joinpath("static", name).read_bytes()
    return web.Response(
        body=content, content_type=_TYPES[name.rsplit(".", 1)[1]], headers={"Cache-Control": "max-age=86400"}
    )


@cache
def _document(routes: tuple[Route, ...]) -> bytes:
    return orjson.dumps(Description(routes, version("msr-stream")).document, option=orjson.OPT_INDENT_2)


ROUTES = [
    Route("GET", "/openapi.json", description, Requires.NOTHING, "docs", raw="application/json"),
    Route("GET", "/docs", page, Requires.NOTHING, "docs", raw="text/html"),
    Route("GET", "/docs/{name}", part, Requires.NOTHING, "docs", raw="application/octet-stream", errors=(404,)),
]
