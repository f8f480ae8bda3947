"""A worker on a broker that wants TLS and a login, and what `python -m msr_stream check` says of both."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msr_local import rest
from msr_local.java import Jars
from msr_local.kafka import CLUSTER, Kafka
from msr_local.ports import Ports
from msr_local.postgres import Postgres
from msr_local.process import run_to_end
from msr_local.programs import Worker
from msr_local.stack import DEFAULT_ROOT
from msr_local.tokens import Tokens
from msr_local.waiting import wait_until

from tests.certificates import Authority
from tests.conftest import history_settings

PASSWORD = "correct-horse-battery"
MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-512")


class GuardedKafka(Kafka):
    """A broker that also listens with a login, with TLS, and with both."""

    def __init__(self, root: Path, ports: Ports, jars: Jars, authority: Authority) -> None:
        super().__init__(root, ports.kafka, ports.kafka_controller, jars)
        self._authority = authority
        self.guarded = {"SASL_PLAINTEXT": ports.connect, "SSL": ports.app, "SASL_SSL": ports.app + 1}

    def prepare(self) -> None:
        """Format the data folder with a user in it, then add the listeners."""
        self.home.mkdir(parents=True, exist_ok=True)
        super().prepare()
        users = [f"{name}=[name=msr,password={PASSWORD}]" for name in MECHANISMS]
        arguments = ["format", "-t", CLUSTER, "-c", str(self._config), *(f"--add-scram={user}" for user in users)]
        (self.data / "meta.properties").unlink()
        run_to_end(self._jars.java("kafka.tools.StorageTool", *arguments, heap="128m"), self.home)
        settings = dict(line.split("=", 1) for line in self._config.read_text().splitlines() if "=" in line)
        listeners = "".join(f",{name}://127.0.0.1:{port}" for name, port in self.guarded.items())
        certificate, key = self._authority.sign("broker")
        store = self.home / "broker.pem"
        store.write_bytes(key.read_bytes() + certificate.read_bytes())
        module = "org.apache.kafka.common.security"
        added = {
            "listeners": settings["listeners"] + listeners,
            "advertised.listeners": settings["advertised.listeners"] + listeners,
            "listener.security.protocol.map": settings["listener.security.protocol.map"]
            + "".join(f",{name}:{name}" for name in self.guarded),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": store,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self._authority.file,
            "listener.name.ssl.ssl.client.auth": "required",
        }
        for name in ("sasl_plaintext", "sasl_ssl"):
            prefix = f"listener.name.{name}"
            added[f"{prefix}.sasl.enabled.mechanisms"] = ",".join([*MECHANISMS, "PLAIN"])
            for mechanism in MECHANISMS:
                added[f"{prefix}.{mechanism.lower()}.sasl.jaas.config"] = f"{module}.scram.ScramLoginModule required;"
            added[f"{prefix}.plain.sasl.jaas.config"] = (
                f'{module}.plain.PlainLoginModule required user_msr="{PASSWORD}";'
            )
        self._config.write_text("".join(f"{name}={value}\n" for name, value in {**settings, **added}.items()))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs the broker's certificate and a worker's."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[GuardedKafka]:
    """The broker."""
    jars = Jars(DEFAULT_ROOT / "kafka")
    jars.fetch()
    kafka = GuardedKafka(tmp_path_factory.mktemp("guarded"), Ports.unused(), jars, authority)
    try:
        kafka.start()
        kafka.wait_ready()
        yield kafka
    finally:
        kafka.stop()


@pytest.fixture
def variables(postgres: Postgres, tmp_path: Path) -> dict[str, str]:
    """What a worker needs beside a broker."""
    tokens = Tokens(tmp_path)
    tokens.ensure()
    return {
        "DATABASE_HOST": "127.0.0.1",
        "DATABASE_PORT": str(postgres.port),
        "DATABASE_NAME": "history",
        "DATABASE_USER": "aoh_msr_user",
        "DATABASE_SCHEMA": history_settings(postgres.port, tmp_path).database_schema,
        "IAMS_KEYCLOAK_URL": tokens.issuer,
        "IAMS_JWKS_FILE": str(tokens.jwks_file),
        "SOURCE_DSNS": f"demo={postgres.dsn('source', 'debezium')}",
        "LOG_FORMAT": "text",
    }


def guarded(broker: GuardedKafka, authority: Authority, protocol: str, mechanism: str = "") -> dict[str, str]:
    """The settings for one of its listeners."""
    settings = {"KAFKA_BROKERS": f"127.0.0.1:{broker.guarded[protocol]}", "KAFKA_SECURITY_PROTOCOL": protocol}
    if "SSL" in protocol:
        settings["KAFKA_CA_FILE"] = str(authority.file)
    if "SASL" in protocol:
        settings |= {"KAFKA_SASL_USERNAME": "msr", "KAFKA_SASL_PASSWORD": PASSWORD, "KAFKA_SASL_MECHANISM": mechanism}
    else:
        certificate, key = authority.sign("worker")
        settings |= {"KAFKA_CERT_FILE": str(certificate), "KAFKA_KEY_FILE": str(key)}
    return settings


def check(variables: dict[str, str], **changed: str) -> tuple[int, dict[str, tuple[str, str]]]:
    """Exit code, and per subject the level and the rest of its line."""
    done = subprocess.run(
        [sys.executable, "-m", "msr_stream", "check"],
        env={**os.environ, **variables, **changed}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.stderr, PASSWORD in done.stdout) == ("", False)
    found = {}
    for line in done.stdout.splitlines():
        level, subject, text = line[:8].strip(), *line[9:].split(": ", 1)
        assert level in {"ok", "warning", "error"}, line
        found[subject] = level, text
    return done.returncode, found


LISTENERS = [
    ("SASL_PLAINTEXT", "SCRAM-SHA-256"), ("SASL_PLAINTEXT", "PLAIN"), ("SSL", ""), ("SASL_SSL", "SCRAM-SHA-512"),
]  # fmt: skip


@pytest.mark.parametrize(("protocol", "mechanism"), LISTENERS)
def test_everything_is_there(
    broker: GuardedKafka, authority: Authority, variables: dict[str, str], protocol: str, mechanism: str
) -> None:
    code, found = check(variables | guarded(broker, authority, protocol, mechanism))
    levels = {subject: level for subject, (level, _) in found.items()}
    assert code == 0
    assert levels == {
        "settings": "ok", "database": "ok", "schema": "ok", "clock": "ok", "broker": "ok", "topics": "warning",
        "signal topic": "ok", "connectors": "ok", "identity": "ok", "source demo": "warning",
    }  # fmt: skip
    assert "not there yet" in found["schema"][1]
    assert "none is to be recorded; see that a connector runs" in found["topics"][1]


@pytest.mark.parametrize(("protocol", "mechanism"), [LISTENERS[0], LISTENERS[-1]])
def test_a_worker_works(
    broker: GuardedKafka, authority: Authority, variables: dict[str, str], tmp_path: Path, protocol: str, mechanism: str
) -> None:
    """Faust's consumer and producer, discovery and the asker of offsets all get in: readiness says so."""
    ports = Ports.unused()
    settings = variables | guarded(broker, authority, protocol, mechanism)
    worker = Worker("worker", tmp_path, ports.app, settings, ports.metrics)
    try:
        worker.start()
        worker.wait_ready()
        assert check(settings)[1]["schema"][1].startswith(f"{settings['DATABASE_SCHEMA']}: version ")
        status, text = rest.request("GET", worker.metrics_url)
        assert (status, "msr_faust_" in text) == (200, True)
        worker.stop()
        assert worker.exit_code == 0
        wait_until(lambda: rest.request("GET", worker.metrics_url)[0] == 0, 60, "nobody tells metrics any more")
    finally:
        worker.stop()
    assert PASSWORD not in worker.log_path.read_text()


@pytest.mark.parametrize(
    ("changed", "subject", "said"),
    [
        ({"KAFKA_SASL_PASSWORD": "wrong"}, "broker", "does not answer"),
        ({"KAFKA_BROKERS": "127.0.0.1:9"}, "broker", "does not answer"),
        ({"DATABASE_PORT": "9"}, "database", "does not answer"),
        ({"DATABASE_NAME": "nowhere"}, "database", 'database "nowhere" does not exist'),
        ({"DATABASE_USER": "debezium", "DATABASE_SCHEMA": "public"}, "schema", "GRANT CREATE ON SCHEMA public"),
        ({"CONNECT_URL": "http://127.0.0.1:9"}, "connectors", "see that Kafka Connect runs"),
        ({"SOURCE_DSNS": f"north=postgresql://u:{PASSWORD}@127.0.0.1:9/x"}, "source north", "cannot be reached"),
        ({"SIGNAL_TOPIC": "elsewhere"}, "signal topic", "elsewhere does not exist; create it with one partition"),
        ({"APP_PORT": "x"}, "settings", "APP_PORT: got 'x'"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_said_with_what_to_do(
    broker: GuardedKafka,
    authority: Authority,
    variables: dict[str, str],
    changed: dict[str, str],
    subject: str,
    said: str,
) -> None:
    """That one thing alone is wrong, and the others are still looked at."""
    code, found = check(variables | guarded(broker, authority, "SASL_PLAINTEXT", "SCRAM-SHA-256"), **changed)
    assert code == 1
    assert [name for name, (level, _) in found.items() if level == "error"] == [subject]
    assert said in found[subject][1]


def test_a_broker_of_a_stranger_is_refused(
    broker: GuardedKafka, authority: Authority, variables: dict[str, str], tmp_path: Path
) -> None:
    """One whose certificate an authority signed that is not ours."""
    settings = variables | guarded(broker, authority, "SASL_SSL", "SCRAM-SHA-512")
    code, found = check(settings, KAFKA_CA_FILE=str(Authority(tmp_path).file))
    assert (code, found["broker"][0]) == (1, "error")
