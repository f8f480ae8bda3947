"""The API's description: complete, valid, and true to what the routes state."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

import web
from msr_stream.app import app
from web.openapi import Description
from web.routes import ALL_ROUTES, Requires, Route


@pytest.fixture(scope="module")
def routes() -> tuple[Route, ...]:
    assert web.__all__
    server: Any = app.web.web_app  # type: ignore[attr-defined]
    found: tuple[Route, ...] = server[ALL_ROUTES]
    return found


@pytest.fixture(scope="module")
def document(routes: tuple[Route, ...]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(Description(routes, "1.2.3").document))
    return found


def test_it_is_a_valid_document(document: dict[str, Any]) -> None:
    """By the specification's own schema, references resolved."""
    validate(document)
    assert document["openapi"] == "3.1.0"


def test_every_route_is_described_once_under_a_name_of_its_own(
    routes: tuple[Route, ...], document: dict[str, Any]
) -> None:
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {(route.method, route.path) for route in routes}
    names = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names)) == len(routes)


def test_whoever_needs_a_token_is_told_so(routes: tuple[Route, ...], document: dict[str, Any]) -> None:
    for route in routes:
        operation = document["paths"][route.path][route.method.lower()]
        needs = route.requires is not Requires.NOTHING
        assert (operation["security"] != []) is needs
        assert ("401" in operation["responses"]) is needs
        assert operation["summary"], route
        assert route.requires.value in operation["description"]


def test_what_a_route_takes_is_a_parameter_or_a_body(routes: tuple[Route, ...], document: dict[str, Any]) -> None:
    for route in routes:
        operation = document["paths"][route.path][route.method.lower()]
        named = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"}
        asked = route.query.model_fields if route.query is not None else {}
        assert named == {field.alias or name for name, field in asked.items()}
        assert ("requestBody" in operation) is (route.body is not None)


def test_the_console_is_built_for_this_api(routes: tuple[Route, ...]) -> None:
    """`make openapi` was run after the last change of a route."""
    kept = json.loads((Path(web.__file__).parent / "ui" / "openapi.json").read_text())
    made = json.loads(json.dumps(Description(routes, version("msr-stream")).document))
    assert kept == made, "run `make openapi`"
