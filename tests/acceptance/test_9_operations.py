"""What an operator has of a running worker: figures, a check, limits, an end in time, and logs without secrets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import timedelta

import pytest
from msr_local.programs import Worker
from msr_local.waiting import wait_until
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.api import Api
from tests.acceptance.conftest import PASSWORD, Scene
from tests.acceptance.test_4_http import is_error
from tests.acceptance.verifier import now

PAGE = "https://c2.example.org"
ROWS = 8000


@pytest.fixture(scope="module")
def worker(scene: Scene) -> Iterator[Worker]:
    """A worker that has just begun, and logs all it can."""
    for worker in list(scene.stack.workers):
        scene.stack.remove_worker(worker)
    dsn = scene.stack.postgres.dsn("source", "debezium").replace("debezium@", f"debezium:{PASSWORD}@")
    worker = scene.stack.add_worker(
        {
            "LOG_LEVEL": "debug",
            "REPLAYS_PER_USER": "3",
            "CORS_ORIGINS": PAGE,
            "CONNECT_URL": scene.stack.connect.url,
            "SOURCE_DSNS": f"{scene.stack.prefix}={dsn}",
        }
    )
    yield worker
    if worker in scene.stack.workers:
        scene.stack.remove_worker(worker)


def read(worker: Worker) -> dict[str, Metric]:
    """What a worker tells, by the metric's name."""
    with urllib.request.urlopen(worker.metrics_url, timeout=60) as answer:
        assert answer.status == 200
        return {family.name: family for family in text_string_to_metric_families(answer.read().decode())}


def by_shard(family: Metric) -> dict[tuple[str, int], float]:
    """The values of a metric that is told by shard."""
    return {
        (sample.labels["topic"], int(sample.labels["partition"])): sample.value
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def recorded(scene: Scene) -> dict[str, Counter[tuple[str, int]]]:
    """What the database holds by shard: events as rows, copies and dead letters as counted there."""
    rows = scene.query(
        """SELECT topic, partition, copies, dead_letters,
                  (SELECT count(*) FROM msr.cdc_event e WHERE e.shard_id = s.shard_id) FROM msr.shard s"""
    )
    columns: dict[str, Counter[tuple[str, int]]] = {"copies": Counter(), "letters": Counter(), "events": Counter()}
    for topic, partition, *values in rows:
        for column, value in zip(columns.values(), values, strict=True):
            column[topic, partition] = value
    return columns


def test_the_figures_are_those_of_the_database(scene: Scene, worker: Worker) -> None:
    """What this worker has recorded since it began, and nothing that another has recorded before it."""
    scene.write("CREATE SCHEMA figures", "CREATE TABLE figures.row (id integer PRIMARY KEY, text text)")
    scene.write("INSERT INTO figures.row VALUES (0, 'the first')")
    wait_until(lambda: bool(scene.rows("figures.row")), 60, "the topic is recorded")
    counted = ("msr_recorded_copies", "msr_dead_letters", "msr_recorded_events")
    before = recorded(scene)
    told = {name: Counter(by_shard(family)) for name, family in read(worker).items() if name in counted}

    scene.write(
        "INSERT INTO figures.row SELECT n, 'more' FROM generate_series(1, 500) n",
        "UPDATE figures.row SET text = 'changed' WHERE id BETWEEN 1 AND 100",
        "DELETE FROM figures.row WHERE id > 450",
    )
    topic = "demo.figures.row"
    first = scene.broker.read(topic)[0]
    scene.broker.produce(topic, [(first.key, first.value, []), (b'{"id":1}', b"{never closed", [])], first.partition)
    scene.api().wait_settled(now(scene.app_dsn))
    wait_until(lambda: set(by_shard(read(worker)["msr_recorder_lag_records"]).values()) == {0.0}, 60, "the lag is gone")
    after, found = recorded(scene), read(worker)
    changed = {name: after[name] - before[name] for name in after}
    assert sum(changed["events"].values()) == 650
    assert changed["copies"] == changed["letters"] == {(topic, first.partition): 1}
    for name, column in zip(counted, ("copies", "letters", "events"), strict=True):
        assert Counter(by_shard(found[name])) - told.get(name, Counter()) == changed[column], name
    shards = {(topic, partition) for topic, partition in scene.query("SELECT topic, partition FROM msr.shard")}
    lag = by_shard(found["msr_recorder_lag_seconds"])
    assert lag.keys() <= by_shard(found["msr_recorder_lag_records"]).keys() <= shards


def test_the_lag_is_the_distance_of_the_settled_instant(scene: Scene, worker: Worker) -> None:
    """It is told of an instant that the database has had, and comes to tell of each; on a slow machine it is larger."""
    query = "SELECT topic, partition, settled_until FROM msr.shard WHERE settled_until IS NOT NULL"

    def settled(which: str = "") -> dict[tuple[str, int], float]:
        return {(topic, partition): until.timestamp() for topic, partition, until in scene.query(query + which)}

    def told() -> dict[tuple[str, int], tuple[float, float]]:
        """The lowest and the highest instant that each lag may be told of."""
        asked = time.time()
        lag = by_shard(read(worker)["msr_recorder_lag_seconds"])
        return {shard: (asked - seconds, time.time() - seconds) for shard, seconds in lag.items()}

    def is_told() -> bool:
        highest = {shard: moment for shard, (_, moment) in told().items()}
        return all(highest.get(shard, 0) >= moment for shard, moment in before.items())

    before = settled(" AND live AND stopped IS NULL AND retired_at IS NULL")
    assert before
    wait_until(is_told, 60, "all that was settled is told", every=0.5)
    lowest = {shard: moment for shard, (moment, _) in told().items()}
    after = settled()
    assert [shard for shard, moment in lowest.items() if moment > after[shard] + 0.001] == []


def test_answers_and_flushes_are_timed(scene: Scene, worker: Worker) -> None:
    def samples() -> Counter[str]:
        told = Counter[str]()
        for family in read(worker).values():
            for sample in family.samples:
                labels = [value for _, value in sorted(sample.labels.items())]
                told[" ".join([sample.name, *labels])] = sample.value  # type: ignore[assignment]
        return told

    before, settled = samples(), scene.api().settled()
    assert settled is not None
    for seconds in range(3):  # three moments: an answer that is kept is not read again
        assert scene.api().state(settled - timedelta(seconds=seconds)).status == 200
    assert scene.api(None).state().status == 401
    changed = samples() - before
    assert changed["msr_http_requests_total GET /replay/state 200"] == 3
    assert changed["msr_http_requests_total GET /replay/state 401"] == 1
    assert changed["msr_http_request_duration_seconds_count /replay/state"] == 4
    assert changed["msr_query_duration_seconds_count state"] == 3
    assert before["msr_flush_duration_seconds_count"] > 0
    assert before["msr_faust_messages_received_total"] > 0


def test_every_metric_says_what_it_is(worker: Worker) -> None:
    """In the format that Prometheus reads, under names of ours, of the process, or of Python."""
    found = read(worker)
    assert len(found) > 30
    assert [name for name, family in found.items() if not family.documentation] == []
    assert {name.split("_")[0] for name in found} == {"msr", "process", "python"}
    ours = {name: family for name, family in found.items() if not name.startswith("msr_faust_")}
    assert {family.type for family in ours.values()} == {"counter", "gauge", "histogram"}
    assert {"msr_sessions_active", "msr_replays_active"} < ours.keys()
    assert all(name.endswith("_seconds") for name, family in ours.items() if family.type == "histogram")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/metrics", 404, "NOT_FOUND"),
        ("GET", "/table/", 404, "NOT_FOUND"),
        ("GET", "/%00", 404, "NOT_FOUND"),
        ("POST", "/replay/state", 405, "METHOD_NOT_ALLOWED"),
        ("OPTIONS", "/replay/state", 405, "METHOD_NOT_ALLOWED"),
        ("DELETE", "/livez", 405, "METHOD_NOT_ALLOWED"),
    ],
)
def test_what_is_not_there_is_said_as_the_contract_says(
    scene: Scene, worker: Worker, method: str, path: str, status: int, code: str
) -> None:
    answer = scene.api().send(method, path)
    assert is_error(answer, status, code)
    assert ("allow" in answer.headers) == (status == 405)
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_page_of_a_named_origin_may_ask_and_read(scene: Scene, worker: Worker) -> None:
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    preflight = scene.api(None).send("OPTIONS", "/replay/state", headers=asked)
    assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (204, PAGE)
    assert (
        scene.api(None).send("OPTIONS", "/replay/state", headers=asked | {"Origin": "https://evil.org"}).status == 405
    )
    answer = scene.api().get("/replay/state", {"Origin": PAGE})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, PAGE)
    assert "X-Settled-Until" in answer.headers["access-control-expose-headers"]


def test_the_check_finds_everything(scene: Scene, worker: Worker) -> None:
    """With the settings of a running worker, and beside it."""
    done = subprocess.run(
        [sys.executable, "-m", "msr_stream", "check"],
        env={**os.environ, **worker.environment()}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    scene.tell(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert {line.split(" ", 1)[0] for line in done.stdout.splitlines()} == {"ok"}
    assert "it and 1 task RUNNING" in done.stdout
    assert f"source {scene.stack.prefix}: slot msr_slot" in done.stdout
    assert PASSWORD not in done.stdout


def slow_reader(worker: Worker, token: str) -> socket.socket:
    """Somebody who asks for the whole state and reads only its beginning."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(60)
    client.connect(("127.0.0.1", worker.port))
    client.sendall(f"GET /replay/state HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    assert client.recv(64).startswith(b"HTTP/1.1 200")
    return client


def test_a_worker_ends_in_time_whoever_reads_slowly(scene: Scene, worker: Worker) -> None:
    """Three readers that have stopped reading hold it up no longer than is given to those that read; a fourth waits."""
    scene.write(
        "CREATE TABLE figures.large (id integer PRIMARY KEY, text text)",
        f"INSERT INTO figures.large SELECT n, repeat(md5(n::text), 200) FROM generate_series(1, {ROWS}) n",
    )
    wait_until(lambda: len(scene.rows("figures.large")) == ROWS, 60, "the table is recorded", every=0.5)
    with ExitStack() as readers:
        for _ in range(3):
            readers.enter_context(closing(slow_reader(worker, scene.tokens["alice"])))
        refused = scene.api().state()
        assert is_error(refused, 429, "TOO_MANY_REQUESTS")
        assert int(refused.headers["retry-after"]) > 0
        assert scene.api("bob").get("/replay/events", start="x", end="x").status == 400  # another user is let in
        begun = time.monotonic()
        worker.stop(30)
        took = time.monotonic() - begun
    scene.tell(f"SIGTERM with three slow readers: {took:.1f} s")
    assert (worker.exit_code, took < 10) == (0, True)
    log = scene.log(worker)
    assert log.count("the worker stops") == 3
    assert "request failed" not in log
    worker.start()
    worker.wait_ready()
    assert Api(worker.port, scene.tokens["alice"]).state().status == 200
    scene.write("DROP TABLE figures.large")


def test_no_log_holds_a_token_or_a_password(scene: Scene, worker: Worker) -> None:
    """Of all workers that any test has run, also those that crashed or could not reach something."""
    for token in (*scene.tokens.values(), f"{scene.tokens['alice']}x"):
        Api(worker.port, token).get("/replay/state", timestamp="yesterday", token=token)
        Api(worker.port, token).get(f"/nothing/{token[:5]}", {"Cookie": f"token={token}", "X-Api-Key": token})
    scene.history.stop()
    wait_until(lambda: "not available, trying again" in scene.log(worker), 60, "the worker misses its database")
    scene.history.start()
    scene.history.wait_ready()
    worker.wait_ready()
    scene.stack.remove_worker(worker)
    secrets = {PASSWORD}
    for token in scene.tokens.values():
        secrets |= {token, *token.split(".")[1:]}
    logs = sorted(scene.stack.root.glob("log/worker-*.log*"))
    found = {
        (log.name, secret[:12])
        for log in logs
        for text in [log.read_text(errors="replace")]
        for secret in secrets
        if secret in text
    }
    assert found == set()
    assert any("[debug" in log.read_text(errors="replace") for log in logs)
    scene.tell(f"{sum(log.stat().st_size for log in logs)} bytes in {len(logs)} logs")
