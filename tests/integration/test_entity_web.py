"""One entity's history over HTTP, whatever its id is: an id is text, not a part of a path."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from yarl import URL

from msr_stream.instants import SECOND, now, render
from msr_stream.settings import Settings
from tests.integration.test_retention_web import site

pytestmark = [
    pytest.mark.filterwarnings("ignore::aiohttp.web_exceptions.NotAppKeyWarning"),
    pytest.mark.usefixtures("within_a_day"),
]

IDS = [
    "a/b",
    "a//b",
    "/",
    "50%",
    "%2F",
    "a%2Fb",
    "who?",
    "#1",
    "a b",
    "+1",
    "Ærø 北",
    "a:b",
    "{1}",
    '{"a": 1}',
    "..a",
    "$&",
]


async def test_an_entity_is_found_by_any_id(settings: Settings, tmp_path: Path) -> None:
    """As a browser writes it: every character that has a meaning in an address is escaped, once."""
    async with site(settings, tmp_path) as (w, client, people):
        before = now() - SECOND
        for number in IDS:
            w.send({"id": number, "tenant_id": "t1"})
        await w.flushed()
        while not await w.fetch("SELECT FROM shard WHERE settled_until >= $1", before + SECOND):
            await w.settler.tick()
        end = render((await w.fetch("SELECT settled_instant() AS s"))[0]["s"])
        for entity in IDS:
            address = f"/replay/entity/s.t/{quote(entity, safe='')}?start={quote(render(before))}&end={quote(end)}"
            async with client.get(URL(address, encoded=True), headers=people["alice"]) as answer:
                found = json.loads(await answer.text())
                assert answer.status == 200, (entity, found)
                assert [one["entity_state"]["id"] for one in found["data"]] == [entity]
        slash = f"/replay/entity/s.t/a/b?start={quote(render(before))}&end={quote(end)}"
        async with client.get(URL(slash, encoded=True), headers=people["alice"]) as answer:
            assert answer.status == 404
