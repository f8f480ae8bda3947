"""The API's description (OpenAPI 3.1), made from the routes themselves. Pure."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, TypeAdapter

from web.routes import Requires, Route

#: What each error status means, whoever answers it.
ERRORS = {
    400: "The request is not valid; `details` names each problem.",
    401: "There is no bearer token, or it is not valid.",
    403: "The token does not allow it.",
    404: "There is nothing at this address, or nothing that the caller may see.",
    406: "There is this answer in no form that `Accept` allows: JSON is refused (`;q=0`), and no other one is named.",
    409: "What is there now does not allow it: the session limit, a session that has ended, an old `occ_lock`.",
    413: "The body is too large.",
    429: "The caller has as much under way as one may have; `Retry-After` says when to try again.",
    503: "A part that this answer needs is not available right now; `Retry-After` says when to try again.",
}
_REFS = "#/components/schemas/{model}"
_ERROR = {
    "type": "object",
    "required": ["timestamp", "correlationId", "errorCode", "errorMessage", "message", "errors", "sent_at"],
    "properties": {
        "timestamp": {"type": "string", "format": "date-time"},
        "correlationId": {"type": "string", "format": "uuid"},
        "errorCode": {"type": "string", "pattern": "^[A-Z_]+$"},
        "errorMessage": {"type": "string"},
        "details": {"type": "array", "items": {"type": "object"}},
        "message": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
        "sent_at": {"type": "string", "format": "date-time"},
    },
}
_PAGE = {
    "type": "object",
    "required": ["number", "size", "total_records", "count", "sort"],
    "properties": {
        "number": {"type": "integer"},
        "size": {"type": "integer"},
        "total_records": {"type": "integer"},
        "count": {"type": "integer"},
        "sort": {"type": "array", "items": {"type": "string"}},
    },
}
_SESSION_HEADER = {
    "name": "X-Session-ID",
    "in": "header",
    "description": "The session that the call belongs to: it counts as seen.",
    "schema": {"type": "string", "format": "uuid"},
}


class Description:
    """The document, and the schemas that were met while it was made."""

    def __init__(self, routes: Iterable[Route], version: str) -> None:
        self._schemas: dict[str, Any] = {"Error": _ERROR, "Page": _PAGE}
        paths: dict[str, dict[str, Any]] = {}
        for route in routes:
            paths.setdefault(route.path, {})[route.method.lower()] = self._operation(route)
        self.document: dict[str, Any] = {
            "openapi": "3.1.0",
            "info": {
                "title": "MSR, multi-session replay",
                "version": version,
                "description": "The state of the world at any past moment, and everything that changed between two.",
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": "/"}],
            "paths": paths,
            "components": {
                "schemas": self._schemas,
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            },
        }

    def _operation(self, route: Route) -> dict[str, Any]:
        text = inspect.getdoc(route.handler) or ""
        summary = text.split("\n", 1)[0].rstrip(".")
        operation: dict[str, Any] = {
            "operationId": route.method.lower() + re.sub(r"\W+", "_", route.path).rstrip("_"),
            "tags": [route.tag],
            "summary": summary,
            "description": f"{text}\n\nRequires: {route.requires.value}.",
            "security": [] if route.requires is Requires.NOTHING else [{"bearer": []}],
            "parameters": [*_path_parameters(route.path), *self._query_parameters(route)],
            "responses": self._responses(route),
        }
        if route.body is not None:
            schema = self._schema(route.body, "validation")
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        return operation

    def _query_parameters(self, route: Route) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = [_SESSION_HEADER] if route.notices else []
        if route.query is None:
            return found
        schema = route.query.model_json_schema(ref_template=_REFS)
        self._keep(schema.pop("$defs", {}))
        required = schema.get("required", [])
        for name, about in schema["properties"].items():
            shown = {key: value for key, value in about.items() if key not in ("title", "description", "default")}
            found.append({"name": name, "in": "query", "required": name in required, "schema": shown,
                          "description": about.get("description", "")})  # fmt: skip
        return found

    def _responses(self, route: Route) -> dict[str, Any]:
        responses = {str(status): _error(status) for status in route.statuses if status in ERRORS}
        if route.raw is not None:
            kinds = (route.raw,) if isinstance(route.raw, str) else route.raw
            content = {kind: {"schema": _raw(kind)} for kind in kinds}
            responses["200"] = {"description": "Success.", "content": content}
            if kinds[0].endswith("/json") and "503" in responses and route.requires is Requires.NOTHING:
                responses["503"] = {"description": "A dependency is down; the body names it.", "content": content}
        elif route.data is None:
            responses["204"] = {"description": "Done."}
        else:
            responses["200"] = {
                "description": "Success.",
                "content": {"application/json": {"schema": self._answer(route)}},
            }
        return dict(sorted(responses.items()))

    def _answer(self, route: Route) -> dict[str, Any]:
        properties: dict[str, Any] = {
            "data": self._schema(route.data, "serialization"),
            "message": {"type": "string"},
            "sent_at": {"type": "string", "format": "date-time"},
        }
        required = ["data", "sent_at"]
        if route.streamed:
            properties["incomplete"] = {
                "type": "array", "items": {"type": "string"},
                "description": "Tables of which this may not be all: not covered all the time, or a silent source's.",
            }  # fmt: skip
        if route.paged:
            properties["page"] = {"$ref": "#/components/schemas/Page"}
            required.append("page")
        return {"type": "object", "required": required, "properties": properties}

    def _keep(self, schemas: dict[str, Any]) -> None:
        """Keep schemas by their names.

        Raises:
            ValueError: another one has such a name already: a client would take the one for the other.
        """
        for name, schema in schemas.items():
            if self._schemas.setdefault(name, schema) != schema:
                raise ValueError(f"two models are called {name}: rename one")

    def _schema(self, kind: Any, mode: Any) -> dict[str, Any]:
        schema = TypeAdapter(kind).json_schema(ref_template=_REFS, mode=mode)
        self._keep(schema.pop("$defs", {}))
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            return schema
        self._keep({kind.__name__: schema})
        return {"$ref": _REFS.format(model=kind.__name__)}


def _raw(media_type: str) -> dict[str, Any]:
    """What is said of a body that is no `data` document."""
    return {"type": "string"} if not media_type.endswith("json") or "ndjson" in media_type else {}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True,
         "schema": {"type": "string", **({"format": "uuid"} if name.endswith("id") else {})}}
        for name in re.findall(r"{(\w+)}", path)
    ]  # fmt: skip


def _error(status: int) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {"description": ERRORS[status], "content": content}
