"""The console as the worker serves it: open to all, strict about where its parts come from, kept by browsers."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.unit.test_web import check_error, site
from web import console

#: `request["correlation_id"]` is short and known to every module of `web`.
pytestmark = pytest.mark.filterwarnings("ignore::aiohttp.web_exceptions.NotAppKeyWarning")
PAGE = b"<!doctype html><title>MSR</title>"
SCRIPT = b"console.log('" + b"x" * 2000 + b"')"


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as `make ui` leaves it."""
    folder = tmp_path / "console"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_bytes(PAGE)
    (folder / "assets" / "index-abc.js").write_bytes(SCRIPT)
    (folder / "assets" / "index-abc.js.gz").write_bytes(gzip.compress(SCRIPT))
    (folder / "secret").write_text("nobody's")
    monkeypatch.setattr(console, "_folder", lambda: folder)
    return folder


@pytest.mark.usefixtures("built")
async def test_the_page_may_ask_its_own_origin_and_the_realm_alone(tmp_path: Path) -> None:
    async with site(tmp_path, *console.ROUTES) as (client, runtime, _):
        answer = await client.get("/")
        assert (answer.status, await answer.read()) == (200, PAGE)
        assert answer.content_type == "text/html"
        assert answer.headers["Cache-Control"] == "no-cache"
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["worker-src"] == "'self'"
        realm = runtime.settings.iams_keycloak_url
        assert policy["connect-src"].split(" ", 1)[0] == "'self'"
        assert realm.startswith(policy["connect-src"].split(" ", 1)[1])


@pytest.mark.usefixtures("built")
async def test_who_has_the_page_gets_it_only_when_it_is_another(tmp_path: Path) -> None:
    async with site(tmp_path, *console.ROUTES) as (client, _, _alice):
        tag = (await client.get("/")).headers["ETag"]
        assert (await client.get("/", headers={"If-None-Match": tag})).status == 304
        assert (await client.get("/", headers={"If-None-Match": '"another"'})).status == 200


@pytest.mark.usefixtures("built")
async def test_parts_are_kept_for_ever_and_sent_compressed(tmp_path: Path) -> None:
    async with site(tmp_path, *console.ROUTES) as (client, _, _alice):
        small = await client.get("/assets/index-abc.js", headers={"Accept-Encoding": "gzip, deflate"})
        plain = await client.get("/assets/index-abc.js", headers={"Accept-Encoding": "identity"})
        assert await small.read() == await plain.read() == SCRIPT
        assert small.headers["Content-Encoding"] == "gzip"
        assert int(small.headers["Content-Length"]) < len(SCRIPT) / 10
        assert "Content-Encoding" not in plain.headers
        for answer in (small, plain):
            assert answer.content_type == "text/javascript"
            assert "immutable" in answer.headers["Cache-Control"]
            assert answer.headers["Vary"] == "Accept-Encoding"


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    "name", ["nothing.js", "index-abc.js.gz", "..%2Fsecret", "..%2Findex.html", "..%2F..%2Findex.html"]
)
async def test_nothing_but_parts_is_served(tmp_path: Path, name: str) -> None:
    async with site(tmp_path, *console.ROUTES) as (client, _, _alice):
        await check_error(await client.get(f"/assets/{name}"), 404, "NOT_FOUND")


async def test_a_console_that_was_not_built_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_folder", lambda: tmp_path / "nothing")
    async with site(tmp_path, *console.ROUTES) as (client, _, _alice):
        answer = await client.get("/")
        assert answer.status == 200
        assert "make ui" in await answer.text()


async def test_it_is_told_where_one_signs_in(tmp_path: Path) -> None:
    async with site(tmp_path, *console.ROUTES, console_client_id="kiosk") as (client, runtime, _):
        about = (await (await client.get("/console.json")).json())["data"]
        assert about["issuer"] == runtime.settings.iams_keycloak_url
        assert (about["client_id"], about["demo"]) == ("kiosk", True)
