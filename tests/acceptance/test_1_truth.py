"""Without faults: what is recorded and replayed is what the source's own triggers have seen."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any

from msr_local.waiting import wait_until

from tests.acceptance.api import Api, text
from tests.acceptance.conftest import Scene
from tests.acceptance.verifier import TABLES, now


def test_every_moment_is_as_it_was(scene: Scene) -> None:
    """Topics exist when the measured part begins: a topic's first changes wait for its discovery."""
    with scene.workload.running():
        scene.workload.go_on(100)
    wait_until(lambda: scene.api().state().status == 200, 60, "the first moments have settled")
    wait_until(
        lambda: len({row["table_name"] for row in scene.api().state().rows}) >= len(TABLES), 30, "all tables recorded"
    )
    begun = now(scene.app_dsn)
    with scene.workload.running():
        scene.workload.go_on(800)
    lifts = scene.verifier.verify(begun, instants=100)
    scene.tell(f"lifts: {lifts}")
    assert lifts.changes > 1000
    assert not scene.verifier.lifted(begun, 10)


def test_what_differs_between_two_moments_makes_the_later_one_of_the_earlier(scene: Scene) -> None:
    """Of each tenant, while an application worked: what was before, field by field, is what the earlier state has."""
    scene.only_worker()
    with scene.workload.running():
        begun = now(scene.app_dsn)
        scene.workload.go_on(150)
    end = now(scene.app_dsn)
    scene.api().wait_settled(end)
    moments = [begun + part * (end - begun) for part in (0, 0.3, 0.31, 0.7, 1)]
    seen: set[str] = set()
    for person, (early, late) in itertools.product(("alice", "bob"), itertools.combinations(moments, 2)):
        api = scene.api(person)
        answer = api.get("/replay/diff", None, **{"from": text(early), "to": text(late)})
        world = _world(api, early)
        seen |= {one["change"] for one in answer.rows}
        for one in answer.rows:
            _apply(world, one)
        assert world == _world(api, late)
    assert seen == {"created", "changed", "deleted"}


def _world(api: Api, at: datetime) -> dict[tuple[str, str], Any]:
    return {(row["table_name"], row["entity_id"]): row["entity_state"] for row in api.state(at).rows}


def _apply(world: dict[tuple[str, str], Any], one: dict[str, Any]) -> None:
    """Carry a difference over to the earlier state, which must have what it says was before."""
    key = one["table_name"], one["entity_id"]
    if one["change"] == "created":
        assert key not in world
        world[key] = one["entity_state"]
    elif one["change"] == "deleted":
        assert world.pop(key) == one["entity_state"]
    else:
        assert one["changed"]
        assert "unavailable_fields" not in one
        for name, sides in one["changed"].items():
            before = {"before": world[key].pop(name)} if name in world[key] else {}
            assert before == {when: side for when, side in sides.items() if when == "before"}
            if "after" in sides:
                world[key][name] = sides["after"]
