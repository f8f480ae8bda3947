"""Answers that never change are rendered once: for all who ask, on every worker, and for no other tenant."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.request import urlopen

import pytest
from msr_local.redis import Redis
from msr_local.waiting import wait_until

from tests.acceptance.api import Answer, Api, by_entity, text
from tests.acceptance.conftest import Scene
from tests.acceptance.verifier import now


@pytest.fixture(scope="module")
def workers(scene: Scene, redis: Redis) -> Iterator[list[int]]:
    """The ports of two workers that share a Redis."""
    scene.only_worker()
    scene.stack.remove_worker(scene.worker)
    for _ in range(2):
        scene.stack.add_worker({"REDIS_URL": redis.url})
    yield [worker.port for worker in scene.stack.workers]
    for worker in list(scene.stack.workers):
        scene.stack.remove_worker(worker)
    scene.only_worker()


@pytest.fixture(scope="module")
def window(scene: Scene, workers: list[int]) -> dict[str, str]:
    """A window in which something happened, settled."""
    begun = now(scene.app_dsn)
    with scene.workload.running():
        scene.workload.go_on(60)
    wait_until(lambda: bool(scene.rows("truth.craft")), 60, "the tables are known and recorded", every=0.5)
    end = now(scene.app_dsn)
    scene.api().wait_settled(end)
    return {"start": text(begun - timedelta(seconds=1)), "end": text(end)}


def ask(scene: Scene, port: int, path: str, query: dict[str, str], person: str = "alice", **headers: str) -> Answer:
    return Api(port, scene.tokens[person]).get(path, {"Accept-Encoding": "gzip", **headers}, **query)


def rows(answer: Answer) -> Any:
    assert answer.status == 200, answer.body[:300]
    return json.loads(gzip.decompress(answer.body))["data"]


def tenants(answer: Answer) -> set[Any]:
    """Whose rows of the workload's tables an answer holds."""
    ours = [row for row in rows(answer) if row["table_name"].startswith("truth.")]
    return {(row["entity_state"] or {}).get("tenant_id") for row in ours}


def hits(scene: Scene) -> float:
    """How many answers all workers have found kept."""
    total = 0.0
    for url in scene.stack.endpoints()["metrics"]:
        with urlopen(url) as response:
            found = re.search(r'msr_segments_total{outcome="hit"} (\S+)', response.read().decode())
        total += float(found[1]) if found else 0.0
    return total


@pytest.mark.parametrize("path", ["/replay/state", "/replay/events"])
def test_what_is_kept_is_what_was_rendered(scene: Scene, workers: list[int], window: dict[str, str], path: str) -> None:
    """By the other worker too; and each tenant has its own."""
    query = window if path == "/replay/events" else {"timestamp": window["end"]}
    first, before = ask(scene, workers[0], path, query), hits(scene)
    again = [ask(scene, port, path, query) for port in (*workers, *workers)]
    assert hits(scene) == before + 4
    assert {answer.body for answer in again} == {first.body}
    assert {answer.headers["etag"] for answer in again} == {first.headers["etag"]}
    assert first.headers["cache-control"] == "private, no-cache"
    assert "Accept-Encoding" in first.headers["vary"]
    other = ask(scene, workers[0], path, query, "bob")
    assert other.headers["etag"] != first.headers["etag"]
    assert "t2" not in tenants(first)
    assert "t1" not in tenants(other)
    plain = Api(workers[1], scene.tokens["alice"]).get(path, None, **query)
    assert plain.entities == by_entity(rows(first)) if path == "/replay/state" else plain.rows == rows(first)


def test_who_has_an_answer_is_told_so_and_gets_no_body(
    scene: Scene, workers: list[int], window: dict[str, str]
) -> None:
    tag = ask(scene, workers[0], "/replay/events", window).headers["etag"]
    for given in (tag, tag.removeprefix("W/"), f'"else", {tag}'):
        answer = ask(scene, workers[1], "/replay/events", window, **{"If-None-Match": given})
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["etag"] == tag
    assert ask(scene, workers[1], "/replay/events", window, "bob", **{"If-None-Match": tag}).status == 200
    filtered = window | {"filter_tables": "truth.craft", "filter_min_timestamp": window["end"]}
    assert ask(scene, workers[1], "/replay/events", filtered, **{"If-None-Match": tag}).status == 200


def test_many_at_once_are_one_rendering(scene: Scene, workers: list[int], window: dict[str, str]) -> None:
    shorter = window | {"start": window["end"]}
    before = hits(scene)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda n: ask(scene, workers[n % 2], "/replay/events", shorter), range(20)))
    assert {answer.status for answer in answers} <= {200, 429}
    assert len({answer.body for answer in answers if answer.status == 200}) == 1
    served = sum(answer.status == 200 for answer in answers)
    assert hits(scene) == before + served - 1


def test_without_redis_answers_are_the_same(
    scene: Scene, workers: list[int], window: dict[str, str], redis: Redis
) -> None:
    before = rows(ask(scene, workers[0], "/replay/events", window))
    redis.kill()
    assert [rows(ask(scene, port, "/replay/events", window)) for port in workers] == [before, before]
