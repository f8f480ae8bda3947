"""Without faults: what is recorded and replayed is what the source's own triggers have seen."""

from __future__ import annotations

from msr_local.waiting import wait_until

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
