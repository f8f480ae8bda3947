"""Bodies: one document, or a line for each event and a last one that counts them."""

from __future__ import annotations

import json

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from msr_stream.errors import NotAcceptable
from web.forms import Document, Form, Lines, form_of

ROWS = [b',{"a":1}\n,{"a":"},\\n,{"}\n', b',{"a":2}\n']


def body(form: Form, pieces: list[bytes]) -> bytes:
    return form.beginning + b"".join(form.rows(piece) for piece in pieces) + form.end(["s.t"])


def test_a_document_holds_the_rows() -> None:
    found = json.loads(body(Document(), ROWS))
    assert found["data"] == [{"a": 1}, {"a": "},\n,{"}, {"a": 2}]
    assert found["incomplete"] == ["s.t"]
    assert json.loads(body(Document(), []))["data"] == []


def test_lines_are_the_rows_and_the_last_one_counts_them() -> None:
    *rows, last = [json.loads(line) for line in body(Lines(), ROWS).splitlines()]
    assert rows == [{"a": 1}, {"a": "},\n,{"}, {"a": 2}]
    assert (last["count"], last["incomplete"]) == (3, ["s.t"])
    [only] = body(Lines(), []).splitlines()
    assert json.loads(only)["count"] == 0


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/x-ndjson", Lines),
        ("text/html, Application/X-NDJSON;q=0.9", Lines),
        ("application/json", Document),
        ("*/*", Document),
        ("", Document),
        ("application/x-ndjson;q=0", Document),
        ("application/x-ndjson; q=0.0, */*", Document),
        ("application/x-ndjson;q=0.5, application/json", Document),
        ("application/x-ndjson;q=0.5, application/json;q=0.4", Lines),
        ("application/x-ndjson, application/json", Lines),
        ("application/x-ndjson;q=0.5, */*;q=0.1", Lines),
        ("application/x-ndjson;q=0.5, */*", Document),
        ("application/json;q=0, */*", Lines),
        ("application/json;charset=utf-8;q=0, application/x-ndjson;profile=x", Lines),
        ("application/*", Document),
        ("text/csv", Document),
        ("*/*;q=0, application/json", Document),
        ("application/x-ndjson;q=much", Document),
    ],
)
def test_the_form_is_the_one_that_is_accepted(accept: str, kind: type[Form]) -> None:
    assert type(form_of(make_mocked_request("GET", "/", headers={"Accept": accept}))) is kind


@pytest.mark.parametrize(
    "accept", ["*/*;q=0", "application/*;q=0", "application/json;q=0", "application/json;q=0, text/csv"]
)
def test_a_client_that_refuses_every_form_is_told_so(accept: str) -> None:
    with pytest.raises(NotAcceptable) as caught:
        form_of(make_mocked_request("GET", "/", headers={"Accept": accept}))
    assert (caught.value.status, caught.value.code) == (406, "NOT_ACCEPTABLE")


def test_several_accept_headers_are_one() -> None:
    headers = CIMultiDict([("Accept", "application/json;q=0.1"), ("Accept", "application/x-ndjson")])
    assert type(form_of(make_mocked_request("GET", "/", headers=headers))) is Lines
