"""The services of docker/local start anywhere, say what is wrong in a line, and leave nothing behind."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from msr_local import account, kafka, records
from msr_local.errors import LocalError
from msr_local.java import Jars
from msr_local.kafka import Kafka
from msr_local.options import Options
from msr_local.order import reap
from msr_local.ports import Ports
from msr_local.postgres import Postgres
from msr_local.process import Service
from msr_local.rest import request
from msr_local.stack import DEFAULT_ROOT
from msr_local.tokens import DAY, PEOPLE, Tokens
from msr_local.waiting import wait_until


class Sleeper(Service):
    """Does nothing."""

    def command(self) -> list[str]:
        return ["sleep", "600"]

    def ready(self) -> bool:
        return self.alive


class Stubborn(Sleeper):
    """Ignores SIGTERM."""

    grace = 0.3

    def command(self) -> list[str]:
        script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        return [sys.executable, "-c", script + "open('deaf', 'w').close()\ntime.sleep(600)"]

    def ready(self) -> bool:
        return (self.home / "deaf").exists()


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    server = Postgres(tmp_path, Ports.unused().postgres)
    yield server
    server.stop()


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    """A folder that every account may enter: pytest's own ones are private."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder.is_relative_to("/tmp/pytest-of-root"):
            folder.chmod(0o755)
    return tmp_path


def local(command: str, environment: dict[str, str], limit: float = 200) -> subprocess.CompletedProcess[str]:
    """Run `python -m msr_local`."""
    return subprocess.run(
        [sys.executable, "-m", "msr_local", command],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=limit,
    )


def is_gone(pid: int) -> bool:
    """No such process, or one that only waits to be collected."""
    try:
        return psutil.Process(pid).status() in records.ENDED
    except psutil.NoSuchProcess:
        return True


class TestPostgres:
    def test_starts_with_both_databases_and_keeps_its_data(self, postgres: Postgres) -> None:
        postgres.start()
        postgres.wait_ready()
        with postgres.connect("source", "app") as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS id")
            settings = "SELECT current_setting('wal_level'), current_setting('track_commit_timestamp')"
            assert connection.execute(settings).fetchone() == ("logical", "on")
        with postgres.connect("history", "aoh_msr_user") as connection:
            connection.execute("CREATE SCHEMA msr")
        postgres.kill()
        postgres.start()
        postgres.wait_ready()
        with postgres.connect("source", "app") as connection:
            assert connection.execute("SELECT * FROM kept").fetchall() == [(1,)]

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change its account")
    @pytest.mark.parametrize("reachable", [True, False])
    def test_runs_as_nobody_where_namespaces_are_refused(
        self, open_folder: Path, monkeypatch: pytest.MonkeyPatch, reachable: bool
    ) -> None:
        """Also when nobody can't reach the programs, as in a virtual environment below root's home."""
        monkeypatch.setattr(account, "_can_unshare", lambda: False)
        monkeypatch.setattr(account, "_nobody_may", lambda _, path: reachable or path == open_folder / "postgres")
        server = Postgres(open_folder, Ports.unused().postgres)
        try:
            server.start()
            server.wait_ready()
            assert server.pid is not None
            assert psutil.Process(server.pid).username() == "nobody"
            assert (server.home / "server").exists() != reachable
        finally:
            server.stop()

    def test_removes_a_lock_whose_number_another_process_has(self, postgres: Postgres) -> None:
        postgres.start()
        postgres.wait_ready()
        postgres.kill()
        lock = postgres.data / "postmaster.pid"
        lock.write_text(re.sub(r"^\d+", str(os.getppid()), lock.read_text()))
        postgres.start()
        postgres.wait_ready()

    def test_dies_with_the_process_that_started_it(self, tmp_path: Path) -> None:
        script = """if True:
            import sys, time
            from pathlib import Path
            from msr_local.postgres import Postgres
            server = Postgres(Path(sys.argv[1]), int(sys.argv[2]))
            server.start()
            server.wait_ready()
            print(server.pid, flush=True)
            time.sleep(600)
        """
        arguments = [sys.executable, "-c", script, str(tmp_path), str(Ports.unused().postgres)]
        path = os.pathsep.join(sys.path)
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}) as parent:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            parent.kill()
        wait_until(lambda: is_gone(pid), 60, "the orphan ends")


class TestProcesses:
    def test_one_that_ignores_the_signal_is_killed(self, tmp_path: Path) -> None:
        service = Stubborn("stubborn", tmp_path)
        service.start()
        service.wait_ready(10)
        service.stop()
        assert service.exit_code == -signal.SIGKILL
        assert records.names(tmp_path) == []

    def test_one_that_ends_at_once_is_an_error_with_its_last_words(self, tmp_path: Path) -> None:
        class Broken(Sleeper):
            def command(self) -> list[str]:
                return [sys.executable, "-c", "raise SystemExit('no luck today')"]

            def ready(self) -> bool:
                return False

        service = Broken("broken", tmp_path)
        service.start()
        with pytest.raises(LocalError, match="broken ended with code 1: no luck today"):
            service.wait_ready(10)

    def test_a_killed_run_leaves_what_the_next_one_ends(self, tmp_path: Path) -> None:
        """Even a frozen process; but never one that merely got the same number."""
        stranger, ours = (Sleeper(name, tmp_path) for name in ("kafka", "connect"))
        try:
            stranger.start()
            ours.start()
            assert stranger.pid is not None
            assert ours.pid is not None
            ours.signal(signal.SIGSTOP)
            (tmp_path / "run" / "kafka.pid").write_text(json.dumps({"pid": stranger.pid, "started": 1.0}))
            assert reap(tmp_path) == ["connect"]
            assert is_gone(ours.pid or 0)
            assert stranger.alive
            assert records.names(tmp_path) == []
        finally:
            stranger.kill()
            ours.kill()


class TestOneLine:
    def test_a_taken_port_names_its_variable(self) -> None:
        ports = Ports.unused()
        ports.check(workers=2)
        with (
            socket.create_server(("127.0.0.1", ports.connect)),
            pytest.raises(LocalError, match="CONNECT_PORT"),
        ):
            ports.check(workers=1)
        with socket.create_server(("127.0.0.1", ports.app + 1)):
            ports.check(workers=1)
            with pytest.raises(LocalError, match=f"port {ports.app + 1} is taken; set APP_PORT"):
                ports.check(workers=2)

    @pytest.mark.parametrize(
        ("name", "value"),
        [("WORKERS", "0"), ("WORKERS", "two"), ("SIMULATOR", "yes"), ("RATE", "0"), ("KAFKA_PORT", "70000")],
    )
    def test_a_wrong_option_names_its_variable(self, name: str, value: str) -> None:
        with pytest.raises(LocalError, match=f"{name} is '{value}'"):
            Options.from_environment({name: value})

    def test_what_is_missing_ends_the_command_with_code_1(self, tmp_path: Path) -> None:
        nothing = {"PATH": str(tmp_path), "JAVA_HOME": "", "LOCAL_DIR": str(tmp_path)}
        done = local("up", nothing)
        assert done.returncode == 1
        assert re.fullmatch(r"error: Java .* JAVA_HOME .*\n", done.stderr)


class TestTokens:
    def test_verify_against_the_key_set_and_say_who_it_is(self, tmp_path: Path) -> None:
        tokens = Tokens(tmp_path)
        made = tokens.ensure()
        keys = jwt.PyJWKSet.from_json(tokens.jwks_file.read_text())
        for name, (tenant, tenant_roles, realm_roles) in PEOPLE.items():
            key = keys[jwt.get_unverified_header(made[name])["kid"]]
            claims = jwt.decode(made[name], key, algorithms=["RS256"], issuer=tokens.issuer)
            assert claims["preferred_username"] == name
            assert claims["active_tenant"]["tenant_id"] == tenant
            assert claims["active_tenant"]["roles"] == tenant_roles
            assert claims["realm_access"]["roles"] == realm_roles
            assert claims["exp"] - claims["iat"] == 7 * DAY

    def test_are_made_anew_only_when_less_than_a_day_is_left(self, tmp_path: Path) -> None:
        first = Tokens(tmp_path).ensure()
        old = Tokens(tmp_path).sign({"sub": "alice"}, lifetime=DAY - 60)
        (tmp_path / "tokens" / "alice").write_text(old)
        second = Tokens(tmp_path).ensure()
        assert second["alice"] != old
        assert second["bob"] == first["bob"]


@pytest.fixture(scope="module")
def jars() -> Jars:
    jars = Jars(DEFAULT_ROOT / "kafka")
    jars.fetch()
    return jars


async def test_the_broker_has_its_topics_and_takes_24_megabytes(tmp_path: Path, jars: Jars) -> None:
    ports = Ports.unused()
    broker = Kafka(tmp_path, ports.kafka, ports.kafka_controller, jars)
    try:
        await asyncio.to_thread(broker.start)
        await asyncio.to_thread(broker.wait_ready)
        assert set(broker.topics()) >= set(kafka.TOPICS)
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.brokers)
        await admin.start()
        try:
            topics = await admin.describe_topics(list(kafka.TOPICS))
            assert [len(topic["partitions"]) for topic in topics] == [1, 1, 1]
            large = {"max.message.bytes": str(32 << 20)}
            await admin.create_topics([NewTopic("large", 1, 1, topic_configs=large)])
        finally:
            await admin.close()
        value = os.urandom(24 << 20)
        assert await _through_the_broker(broker.brokers, value) == value
    finally:
        await asyncio.to_thread(broker.stop)


async def _through_the_broker(brokers: str, value: bytes) -> bytes | None:
    producer = AIOKafkaProducer(bootstrap_servers=brokers, max_request_size=32 << 20)
    await producer.start()
    try:
        await producer.send_and_wait(kafka.DEAD_LETTERS, value)
    finally:
        await producer.stop()
    consumer = AIOKafkaConsumer(bootstrap_servers=brokers)
    consumer.assign([TopicPartition(kafka.DEAD_LETTERS, 0)])
    await consumer.start()
    try:
        await consumer.seek_to_beginning()
        received: bytes | None = (await consumer.getone()).value
        return received
    finally:
        await consumer.stop()


class TestUpAndDown:
    """`make up` and `make down`, as a person uses them."""

    @pytest.fixture
    def environment(self, tmp_path: Path, jars: Jars) -> Iterator[dict[str, str]]:
        ports = Ports.unused()
        (tmp_path / "kafka").symlink_to(jars.folder)
        environment = {
            "LOCAL_DIR": str(tmp_path),
            "APP_PORT": str(ports.app),
            "POSTGRES_PORT": str(ports.postgres),
            "KAFKA_PORT": str(ports.kafka),
            "KAFKA_CONTROLLER_PORT": str(ports.kafka_controller),
            "CONNECT_PORT": str(ports.connect),
            "METRICS_PORT": str(ports.metrics),
            "WORKERS": "2",
        }
        yield environment
        local("down", environment)

    def test_a_person_kills_everything_once(self, environment: dict[str, str], tmp_path: Path) -> None:
        """What is killed comes back; of a killed supervisor nothing stays; a second start is quick."""
        first = local("up", environment)
        assert (first.returncode, first.stderr) == (0, "")
        endpoints = self.endpoints(tmp_path)
        assert endpoints.keys() >= {"api", "source_dsn", "history_dsn", "kafka", "connect", "metrics", "tokens", "pids"}
        assert len(endpoints["pids"]["worker"]) == 2
        assert f"{endpoints['api']}/docs#token={endpoints['tokens']['alice']}\n" in first.stdout
        assert [request("GET", url)[0] for url in endpoints["metrics"]] == [200, 200]
        assert "running already" in local("up", environment).stdout

        worker, other = endpoints["pids"]["worker"]
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: self.endpoints(tmp_path)["pids"]["worker"][0] != worker, 60, "a new worker")
        wait_until(lambda: request("GET", f"{endpoints['api']}/readyz")[0] == 200, 60, "it is ready")
        now = self.endpoints(tmp_path)["pids"]
        assert now["worker"][1] == other
        assert now["kafka"] == endpoints["pids"]["kafka"]

        os.kill(now["supervisor"], signal.SIGKILL)
        assert local("down", environment).returncode == 0
        everybody = [*now["worker"], *(pid for name, pid in now.items() if name != "worker")]
        assert [pid for pid in everybody if not is_gone(pid)] == []
        assert not (tmp_path / "endpoints.json").exists()

        started = time.monotonic()
        assert local("up", environment).returncode == 0
        assert time.monotonic() - started < 30
        again = self.endpoints(tmp_path)["pids"]
        assert local("down", environment).stdout == "stopped\n"
        everybody = [*again["worker"], *(pid for name, pid in again.items() if name != "worker")]
        assert [pid for pid in everybody if not is_gone(pid)] == []

    def test_ctrl_c_while_starting_leaves_nothing(self, environment: dict[str, str], tmp_path: Path) -> None:
        command = [sys.executable, "-m", "msr_local", "demo"]
        with subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert "postgres" in process.stdout.readline()
            pids = [found.pid for name in records.names(tmp_path) if (found := records.find(tmp_path, name))]
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        assert len(pids) >= 3
        assert [pid for pid in pids if not is_gone(pid)] == []

    def endpoints(self, root: Path) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((root / "endpoints.json").read_text())
        return content
