"""Whatever dies while the application works: nothing is missing, nothing is there twice, every moment is as it was."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGCONT, SIGKILL
from typing import Any

import psutil
import pytest
from msr_local.process import Service
from msr_local.waiting import wait_until

from tests.acceptance.api import Api
from tests.acceptance.conftest import Scene
from tests.acceptance.verifier import now


@pytest.fixture(autouse=True)
def _one_worker(scene: Scene) -> None:
    """Whatever the test before has left, one sound worker is there when a test begins."""
    scene.only_worker()


@contextmanager
def work(scene: Scene, *, pause: float = 0.04, limit: float = 90) -> Iterator[None]:
    """The application works before, during and after; then everything is held against its own triggers.

    One transaction is begun before and committed after.
    """
    begun = now(scene.app_dsn)
    with scene.workload.client() as client, scene.workload.running(pause=pause):
        scene.workload.go_on(50)
        with client.connection.transaction():
            client.copy_readings(30)
            client.surely(client.put_berth)
            yield
            client.surely(client.swap_berths)
        scene.workload.go_on(50)
    lifts = scene.verifier.verify(begun, limit=limit)
    scene.tell(f"lifts: {lifts}")


def is_down(scene: Scene, dependency: str) -> bool:
    """Whether the readiness probe says 503 and names what is missing."""
    answer = scene.api(None).get("/readiness")
    return answer.status == 503 and answer.json["dependencies"][dependency]["status"] == "DOWN"


def test_a_worker_is_told_to_stop(scene: Scene) -> None:
    with work(scene):
        begun = time.monotonic()
        scene.worker.stop()
        scene.tell(f"SIGTERM: {time.monotonic() - begun:.1f} s, code {scene.worker.exit_code}")
        assert scene.worker.exit_code == 0
        scene.workload.go_on(50)
        scene.worker.start()
        scene.worker.wait_ready()


@pytest.mark.parametrize(
    ("point", "passes"), [("before-lock", 25), ("after-copy", 32), ("after-commit", 19), ("after-ack", 41)]
)
def test_a_worker_is_killed_and_replaced(scene: Scene, point: str, passes: int) -> None:
    scene.stack.remove_worker(scene.worker)
    doomed = scene.stack.add_worker({"FAULT_POINT": f"{point}:kill:{passes}"})
    with work(scene):
        wait_until(lambda: not doomed.alive, 60, f"the worker is killed {point}")
        assert doomed.exit_code == -SIGKILL
        scene.stack.workers.remove(doomed)
        scene.stack.add_worker()


@pytest.mark.timeout(400)
def test_a_worker_sleeps_in_a_flush_while_another_takes_over(scene: Scene) -> None:
    """It wakes up a minute later, believing that it holds the shard's lock in an open transaction."""
    scene.stack.remove_worker(scene.worker)
    sleeper = scene.stack.add_worker({"FAULT_POINT": "after-copy:stop:30"})
    with work(scene, pause=0.15):
        assert sleeper.pid is not None
        process = psutil.Process(sleeper.pid)
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED, 60, "the worker sleeps")
        asleep = time.monotonic()
        other = scene.stack.add_worker()
        Api(other.port, scene.tokens["alice"]).wait_settled(now(scene.app_dsn))
        scene.tell(f"another worker has caught up after {time.monotonic() - asleep:.1f} s")
        wait_until(lambda: time.monotonic() > asleep + 60, 70, "a minute has passed", every=1)
        sleeper.signal(SIGCONT)
        sleeper.wait_ready()
        wait_until(lambda: scene.broker.members("msr") == 2, 60, "both workers share the shards", every=0.5)


def test_connect_is_killed_during_a_copy(scene: Scene) -> None:
    """All rows of a COPY's page share one sequence: after the crash Debezium sends some of them again.

    What is in the topic is in the database exactly once, whatever Debezium does; that it has lost no row is said by
    the comparison with the source. (Debezium 3.6.1 lost none here, in many runs.)
    """
    topic, rows = "demo.truth.reading", 12_000
    wait_until(lambda: is_past_snapshot(scene), 60, "Connect has kept that the first snapshot is over", every=0.5)
    with work(scene, limit=120), scene.workload.client() as client:
        size = scene.broker.size(topic)
        client.copy_readings(rows)
        scene.broker.size(topic, more_than=size + 500)
        scene.stack.connect.kill()
        sent = scene.broker.size(topic) - size
        scene.tell(f"Connect was killed after {sent} of {rows} rows of a COPY")
        assert 0 < sent < rows
        restart(scene, scene.stack.connect)
        scene.stack.wait_capturing()
        client.remove_readings(all_of_them=True)
        check_topic(scene, topic)


def is_past_snapshot(scene: Scene) -> bool:
    """Whether Connect would go on after a crash, not send all rows again first."""
    kept = scene.broker.read("msr.connect_offsets")
    return bool(kept) and not json.loads(kept[-1].value or b"{}").get("snapshot")


def check_topic(scene: Scene, topic: str) -> None:
    """What the topic holds so far is in the database, and there once."""
    records = scene.broker.read(topic)
    scene.api().wait_settled(now(scene.app_dsn), 90)
    sent = Counter(identity(record) for record in records if record.value is not None)
    query = """SELECT source_lsn, source_txid, entity_id FROM msr.cdc_event JOIN msr.shard USING (shard_id)
               WHERE topic = %s"""
    stored = Counter(scene.query(query, topic))
    missing = sent.keys() - stored.keys()
    assert not missing, f"sent and not recorded: {len(missing)}, {list(missing)[:5]}"
    assert set(stored.values()) == {1}, f"recorded twice: {stored.most_common(5)}"
    scene.tell(f"{sum(sent.values()) - len(sent)} of {len(records)} records were sent twice")


def identity(record: Any) -> tuple[int, int, str]:
    """Log sequence number, transaction and key of a record."""
    source = json.loads(record.value)["source"]
    return source["lsn"], source["txId"], str(json.loads(record.key)["id"])


def restart(scene: Scene, service: Service) -> None:
    """Start a service that has ended, after the application has worked without it for a while."""
    assert not service.alive
    scene.workload.go_on(50)
    service.start()
    service.wait_ready()


def test_a_second_worker_joins_and_leaves(scene: Scene) -> None:
    with work(scene):
        other = scene.stack.add_worker()
        wait_until(lambda: scene.broker.members("msr") == 2, 60, "both workers share the shards", every=0.5)
        scene.workload.go_on(100)
        scene.stack.remove_worker(other)
        scene.workload.go_on(50)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_the_history_database_restarts(scene: Scene, end: str) -> None:
    with work(scene):
        getattr(scene.history, end)()
        wait_until(lambda: is_down(scene, "database"), 60, "readiness names the database")
        assert scene.api(None).get("/livez").status == 200
        assert scene.api().state().status == 503
        restart(scene, scene.history)
        scene.worker.wait_ready()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_the_broker_restarts(scene: Scene, end: str) -> None:
    with work(scene, limit=120):
        getattr(scene.stack.kafka, end)()
        if end == "stop":  # noticed after ten seconds: once is enough
            wait_until(lambda: is_down(scene, "broker"), 60, "readiness names the broker")
        restart(scene, scene.stack.kafka)
        scene.worker.wait_ready()
