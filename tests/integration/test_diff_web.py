"""What differs between two moments, over HTTP: both forms, the headers, what is refused, and that an answer is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from msr_stream.instants import DAY, now, render
from msr_stream.settings import Settings
from tests.integration.test_retention_web import cutoff, get, site

pytestmark = [
    pytest.mark.filterwarnings("ignore::aiohttp.web_exceptions.NotAppKeyWarning"),
    pytest.mark.usefixtures("within_a_day"),
]


async def test_it_is_answered_in_both_forms_and_to_each_tenant_its_own(settings: Settings, tmp_path: Path) -> None:
    async with site(settings, tmp_path) as (_, client, people):
        window = {"from": render(cutoff() + DAY), "to": render(cutoff() + 3 * DAY)}
        for person, tenant in (("alice", "t1"), ("bob", "t2")):
            status, answer, headers = await get(client, "/replay/diff", people[person], **window)
            assert status == 200
            assert [(one["entity_id"], one["change"]) for one in answer["data"]] == [
                (f"{tenant}-5", "created"),
                (f"{tenant}-6", "created"),
            ]
            assert "X-Settled-Until" in headers
            lines = {**people[person], "Accept": "application/x-ndjson"}
            async with client.get("/replay/diff", headers=lines, params=window) as found:
                *rows, last = (json.loads(line) for line in (await found.text()).splitlines())
            assert rows == answer["data"]
            assert last["count"] == 2
            again = {**people[person], "If-None-Match": headers["ETag"]}
            async with client.get("/replay/diff", headers=again, params=window) as found:
                assert found.status == 304
            _, some, other = await get(client, "/replay/diff", people[person], **window, fields="id,no such")
            assert [one["entity_state"] for one in some["data"]] == [
                {"id": one["entity_state"]["id"]} for one in answer["data"]
            ]
            assert other["ETag"] != headers["ETag"]
            _, none, _ = await get(client, "/replay/diff", people[person], **window, tables="s.other")
            assert none["data"] == []


async def test_what_cannot_be_answered_is_refused(settings: Settings, tmp_path: Path) -> None:
    async with site(settings, tmp_path) as (_, client, people):
        early, late = render(cutoff() + DAY), render(cutoff() + 2 * DAY)
        for params, code in (
            ({"from": late, "to": early}, "INVALID_PLAYBACK_WINDOW"),
            ({"from": early, "to": render(now() + DAY)}, "TIMESTAMP_OUT_OF_RANGE"),
            ({"from": early}, "VALIDATION_FAILED"),
            ({"from": early, "to": late, "fields": ","}, "VALIDATION_FAILED"),
        ):
            status, answer, _ = await get(client, "/replay/diff", people["alice"], **params)
            assert (status, answer["errorCode"]) == (400, code)
        async with client.get("/replay/diff", params={"from": early, "to": late}) as refused:
            assert refused.status == 401
