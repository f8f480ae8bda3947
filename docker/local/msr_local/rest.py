"""Small HTTP requests to services on this machine."""

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit


def request(
    method: str,
    url: str,
    body: object = None,
    token: str | None = None,
    limit: float = 10.0,
    form: Mapping[str, str] | None = None,
) -> tuple[int, Any]:
    """Send one request and read its answer.

    Args:
        method: The HTTP method.
        url: Where to.
        body: Sent as JSON when given.
        token: A bearer token.
        limit: Seconds for connecting and for each read.
        form: Sent as a form instead of a body.

    Returns:
        The status, 0 when nobody answered, and the body decoded from JSON (the text where it is none).
    """
    parts = urlsplit(url)
    headers = {"Content-Type": "application/json" if form is None else "application/x-www-form-urlencoded"}
    content = urlencode(form) if form is not None else None if body is None else json.dumps(body)
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=limit)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, target, content, headers)
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException):
        return 0, None
    finally:
        connection.close()
    try:
        return response.status, json.loads(answer)
    except ValueError:
        return response.status, answer.decode(errors="replace")
