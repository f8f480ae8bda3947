"""docker/: what an engine would only find out when it runs is found by parsing; and no check is a formality."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from aiohttp.web import Application
from click.testing import CliRunner
from dotenv import dotenv_values

from msr_stream.__main__ import cli
from msr_stream.settings import Settings
from msr_stream.settings_example import env_file
from msr_stream.source.connector import render
from tests.unit import container_checks as checks
from tests.unit.container_checks import DOCKER, ROOT, Compose, Service
from web import probes

DOCKERFILE = (DOCKER / "Dockerfile").read_text()
COMPOSE = checks.compose()

Check = Callable[[Compose], list[str]]


def _missing_files(parsed: Compose) -> list[str]:
    return checks.missing_files(parsed, DOCKERFILE)


CHECKS: list[Check] = [
    checks.unknown_variables, checks.floating_images, checks.careless_services, checks.wrong_ports,
    _missing_files, checks.wrong_dependencies, checks.wrong_profiles,
]  # fmt: skip


@pytest.mark.parametrize("check", CHECKS)
def test_the_compose_file_holds_what_it_promises(check: Check) -> None:
    assert check(COMPOSE) == []


def _change(service: str, **fields: Any) -> Callable[[dict[str, Service]], None]:
    def change(services: dict[str, Service]) -> None:
        services[service] = {**services[service], **fields}

    return change


def _without(service: str, field: str) -> Callable[[dict[str, Service]], None]:
    return lambda services: services[service].pop(field)


def _set(service: str, name: str, value: str) -> Callable[[dict[str, Service]], None]:
    return lambda services: services[service]["environment"].update({name: value})


def _wait(service: str, other: str, condition: str) -> Callable[[dict[str, Service]], None]:
    return _change(service, depends_on={other: {"condition": condition}})


@pytest.mark.parametrize(
    ("check", "damage", "named"),
    [
        (checks.unknown_variables, _set("msr-app", "DATABASE_HOTS", "msr-db"), "DATABASE_HOTS"),
        (checks.unknown_variables, _set("msr-db", "X", "${DATABASE_PASWORD}"), "DATABASE_PASWORD"),
        (checks.floating_images, _change("redis", image="docker.io/library/redis:latest"), "redis"),
        (checks.floating_images, _change("redis", image="docker.io/library/redis"), "redis"),
        (checks.floating_images, _change("redis", image="docker.io/library/redis:8"), "redis"),
        (checks.floating_images, _change("redis", image="redis:8.2.8"), "redis"),
        (checks.floating_images, _change("msr-app", image="msr-stream:0.0.9"), "msr-app"),
        (checks.floating_images, _without("redis", "image"), "redis"),
        (checks.careless_services, _without("redis", "healthcheck"), "redis: healthcheck"),
        (checks.careless_services, _without("redis", "deploy"), "redis: limits"),
        (checks.careless_services, _change("redis", deploy={"resources": {"limits": {"cpus": "1"}}}), "redis: limits"),
        (checks.careless_services, _without("capture", "restart"), "capture: restart"),
        (checks.careless_services, _change("redis", healthcheck={"test": ["CMD", "true"]}), "redis: healthcheck times"),
        (checks.wrong_ports, _set("connect", "BOOTSTRAP_SERVERS", "redpanda:9093"), "connect calls redpanda:9093"),
        (checks.wrong_ports, _set("connect", "CONNECT_LISTENERS", "http://0.0.0.0:8084"), "connect is checked on 8083"),
        (checks.wrong_ports, _set("msr-app", "APP_PORT", "8081"), "msr-app publishes 8080"),
        (checks.wrong_ports, _set("keycloak", "KC_HTTP_MANAGEMENT_PORT", "9001"), "keycloak is checked on 9000"),
        (checks.wrong_ports, _set("redpanda-console", "SERVER_LISTENPORT", "80"), "redpanda-console publishes 8080"),
        (checks.wrong_ports, _change("msr-db", expose=["5433"]), "msr-db exposes [5433], listens on [5432]"),
        (checks.wrong_ports, _change("msr-app", ports=["8080:8080"]), "msr-app is published to everybody"),
        (checks.wrong_ports, _change("connect", ports=["127.0.0.1:8080:8083"]), "127.0.0.1:8080 is published twice"),
        (
            checks.wrong_ports,
            _change("redis", healthcheck={"test": ["CMD-SHELL", "redis-cli -p 6380 ping"]}),
            "redis is checked on 6380",
        ),
        (
            checks.wrong_ports,
            _change("simulator", command=["--dsn", "postgresql://app@source-db:5433/source"]),
            "simulator calls source-db:5433",
        ),
        (_missing_files, _change("redis", volumes=["./redis.conf:/redis.conf:ro,z"]), "redis.conf"),
        (_missing_files, _change("redis", volumes=["other-data:/data"]), "redis: volume other-data"),
        (
            _missing_files,
            _change("simulator", build={"context": "..", "dockerfile": "docker/Dockerfile", "target": "demo"}),
            "simulator: stage demo",
        ),
        (
            _missing_files,
            _change("msr-app", build={"context": ".", "dockerfile": "docker/Dockerfile", "target": "runtime"}),
            "msr-app: docker/Dockerfile",
        ),
        (checks.wrong_dependencies, _change("connect", depends_on={}), "connect calls redpanda and does not wait"),
        (checks.wrong_dependencies, _wait("msr-app", "kafka", "service_healthy"), "msr-app on kafka"),
        (checks.wrong_dependencies, _wait("redis", "keycloak", "service_healthy"), "redis on keycloak"),
        (checks.wrong_dependencies, _wait("redis", "topics", "service_healthy"), "redis on topics"),
        (checks.wrong_dependencies, _wait("redis", "msr-db", "service_started"), "redis on msr-db"),
        (checks.wrong_profiles, _change("keycloak", profiles=["demo"]), "iams"),
        (checks.wrong_profiles, _without("source-db", "profiles"), "demo"),
        (checks.wrong_profiles, lambda services: services.pop("redis"), "None"),
    ],
)  # fmt: skip
def test_each_check_finds_what_it_is_for(
    check: Check, damage: Callable[[dict[str, Service]], object], named: str
) -> None:
    broken = copy.deepcopy(COMPOSE)
    damage(broken["services"])
    assert any(named in fault for fault in check(broken)), check(broken)


def test_the_image_is_safe() -> None:
    assert checks.unsafe_image(DOCKERFILE) == []


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("python:3.11.14-slim-bookworm", "python:latest", "python is from"),
        ("python:3.11.14-slim-bookworm", "python", "python is from"),
        ("node:20.20.2-bookworm-slim", "node:lts", "console is from"),
        ("USER 10001:10001\nEXPOSE", "EXPOSE", "runtime runs as root"),
        ("USER 10001:10001\nEXPOSE", "USER 0:0\nEXPOSE", "runtime runs as"),
        ("USER 10001:10001\nSTOPSIGNAL", "STOPSIGNAL", "simulator runs as root"),
        ("WORKDIR /var/lib/msr", "RUN pip install x", "runtime: pip install x"),
        ("WORKDIR /var/lib/msr", "RUN apt-get install -y gcc", "runtime: apt-get"),
        ('CMD ["faust", "-A", "msr_stream.app", "--loop", "uvloop", "worker"]', "CMD faust worker", "CMD faust worker"),
        ("/livez", "/readyz", "HEALTHCHECK"),
        ("STOPSIGNAL SIGTERM", "STOPSIGNAL SIGKILL", "STOPSIGNAL"),
        ('VOLUME ["/var/lib/msr"]\n', "", "VOLUME"),
        ("EXPOSE 8080 9464", "EXPOSE 8081 9464", "EXPOSE"),
    ],
)
def test_a_careless_image_is_found(old: str, new: str, named: str) -> None:
    assert old in DOCKERFILE
    assert any(named in fault for fault in checks.unsafe_image(DOCKERFILE.replace(old, new)))


#: In this order: the console is taken, then packed with the rest.
TAKEN = "COPY --from=console /src/web/console web/console"
INSTALLED = "RUN pip --python /opt/msr/bin/python install --no-deps ."


def test_the_image_has_the_console() -> None:
    assert checks.missing_console(DOCKERFILE) == []


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("AS console", "AS ui", "there is no stage console"),
        ("node:20.20.2-bookworm-slim", "node:18.20.8-bookworm-slim", "console is from"),
        ("package.json web/ui/package-lock.json", "package.json", "console: "),
        ("RUN npm ci --no-audit --no-fund", "RUN npm install", "console: "),
        ("RUN npm run build\n", "", "console: "),
        ("/src/web/console web/console", "/src/web/ui/dist web/console", "build does not take"),
        (f"{TAKEN}\n", "", "build does not take"),
        (f"{TAKEN}\n{INSTALLED}", f"{INSTALLED}\n{TAKEN}", "build does not take"),
    ],
)
def test_an_image_without_the_console_is_found(old: str, new: str, named: str) -> None:
    assert old in DOCKERFILE
    assert any(named in fault for fault in checks.missing_console(DOCKERFILE.replace(old, new)))


@pytest.mark.parametrize("source", ["docker/local/nowhere", "tests", "docker/local/pom.xml", "web/ui/dist"])
def test_what_is_copied_must_exist_and_reach_the_build(source: str) -> None:
    """The others exist, or may, and .dockerignore keeps them out."""
    broken = DOCKERFILE.replace("COPY agents agents", f"COPY {source} agents")
    assert checks.missing_files(COMPOSE, broken) == [source]


def test_the_image_has_every_package_of_the_wheel() -> None:
    packages = re.search(r"^packages = (\[.+\])$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert packages
    assert set(json.loads(packages[1])) <= set(checks.copied(DOCKERFILE))


def test_the_worker_is_started_as_the_readme_says() -> None:
    readme = re.search(r"^\s+(faust -A .+)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert readme
    assert json.loads(checks.stages(DOCKERFILE)[-1].values("CMD")[0]) == shlex.split(readme[1])
    assert "command" not in COMPOSE["services"]["msr-app"]


def test_the_images_numbers_are_the_projects() -> None:
    """psycopg is what the tests run the simulator with, Debezium what the local stack captures with."""
    psycopg = re.search(r"psycopg\[binary\]==([\d.]+)", (ROOT / "pyproject.toml").read_text())
    debezium = re.search(r"<debezium>(.+)</debezium>", (DOCKER / "local" / "pom.xml").read_text())
    assert psycopg
    assert debezium
    assert f"ARG PSYCOPG={psycopg[1]}\n" in DOCKERFILE
    assert COMPOSE["services"]["connect"]["image"].endswith(f":{debezium[1]}")


def test_the_ports_inside_are_the_known_ones() -> None:
    ports = {name: checks.listening(name, service) for name, service in COMPOSE["services"].items()}
    known = {"msr-app": 8080, "msr-db": 5432, "redpanda": 9092, "connect": 8083}
    assert {name: port for name, port in known.items() if port in ports[name]} == known


def test_the_signal_topic_is_made_before_connect_starts_with_one_partition() -> None:
    services = COMPOSE["services"]
    script = services["topics"]["command"][0]
    assert "--partitions 1 " in script
    assert Settings.model_fields["signal_topic"].default in script
    assert Settings.model_fields["dead_letter_topic"].default in script
    assert "auto_create_topics_enabled: false" in (DOCKER / "redpanda" / "bootstrap.yaml").read_text()
    assert services["connect"]["depends_on"]["topics"] == {"condition": "service_completed_successfully"}


def test_the_demos_connector_has_every_value() -> None:
    values = checks.environment(COMPOSE["services"]["capture"])
    values.pop("SOURCE_DSN")
    settings = render((DOCKER / "connect" / "postgres-source.json").read_text(), values)
    assert settings["topic.prefix"] == "demo"
    assert settings["signal.kafka.bootstrap.servers"] == "redpanda:9092"


def test_the_realm_is_the_one_that_workers_trust() -> None:
    realm = json.loads((DOCKER / "iams" / "realm.json").read_text())
    issuer = checks.example_variables()["IAMS_KEYCLOAK_URL"]
    hostname = checks.environment(COMPOSE["services"]["keycloak"])["KC_HOSTNAME"]
    assert issuer == f"{hostname}/realms/{realm['realm']}"
    # Browsers on this machine reach the issuer, as no service inside does; the worker fetches the keys inside.
    published = [entry.split(":")[1] for entry in COMPOSE["services"]["keycloak"]["ports"]]
    assert hostname in {f"http://localhost:{port}" for port in published}
    inside = issuer.replace(hostname, "http://keycloak:8080")
    assert checks.example_variables()["IAMS_JWKS_URL"] == f"{inside}/protocol/openid-connect/certs"
    console = next(
        one for one in realm["clients"] if one["clientId"] == Settings.model_fields["console_client_id"].default
    )
    pages = [entry.split(":")[1] for entry in COMPOSE["services"]["msr-app"]["ports"]]
    assert {f"http://{host}:{port}/*" for port in pages for host in ("localhost", "127.0.0.1")} == set(
        console["redirectUris"]
    )
    tenants = [json.loads(user["attributes"]["active_tenant"][0]) for user in realm["users"]]
    assert {tenant["tenant_id"] for tenant in tenants} == {"t1", "t2"}
    roles = {role for tenant in tenants for role in tenant["roles"]}
    roles |= {role for user in realm["users"] for role in user.get("realmRoles", [])}
    assert roles == set(Settings.model_fields["admin_roles"].default)
    mapper = realm["clients"][0]["protocolMappers"][0]["config"]
    assert mapper["claim.name"] == Settings.model_fields["iams_tenant_claim"].default


def test_the_example_of_the_environment_is_the_settings() -> None:
    """If this fails: python -m msr_stream settings --env > docker/.env.example"""
    assert (DOCKER / ".env.example").read_text() == env_file()


def test_the_command_prints_the_example() -> None:
    answer = CliRunner().invoke(cli, ["settings", "--env"])
    assert (answer.exit_code, answer.output) == (0, env_file())


def test_the_example_names_every_setting_and_sets_all_that_must_be() -> None:
    text = env_file()
    assert re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE) == [name.upper() for name in Settings.model_fields]
    required = {name.upper() for name, field in Settings.model_fields.items() if field.is_required()}
    assert checks.example_variables().keys() - required == {"DATABASE_PASSWORD", "IAMS_JWKS_URL"}
    assert required <= checks.example_variables().keys()


def test_the_defaults_in_the_example_mean_the_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every line may be used as it stands: without its # it is read back as what it says."""
    for name in list(os.environ):
        if name.lower() in Settings.model_fields:
            monkeypatch.delenv(name)
    plain = tmp_path / "plain"
    plain.write_text(re.sub(r"^IAMS_JWKS_FILE=.*$", "", env_file(), flags=re.MULTILINE))
    spelled = tmp_path / "spelled"
    spelled.write_text(re.sub(r"^#(?=[A-Z_]+=.)", "", plain.read_text(), flags=re.MULTILINE))
    jwks = tmp_path / "jwks.json"
    jwks.write_text("{}")
    monkeypatch.setenv("IAMS_JWKS_FILE", str(jwks))
    monkeypatch.setenv("WORKER_NAME", "one")
    assert len(dotenv_values(spelled)) > len(dotenv_values(plain)) + 20
    read = [Settings(_env_file=file) for file in (plain, spelled)]
    assert read[0] == read[1]
    assert read[0].kafka_brokers == ["redpanda:9092"]


async def _status(command: list[str], port: int) -> int:
    """How a health check's command ends when the worker is on a port."""
    words = [word.replace("127.0.0.1:8080", f"127.0.0.1:{port}") for word in command]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words[1:], env={**os.environ, "APP_PORT": str(port)}, stderr=asyncio.subprocess.DEVNULL
    )
    return await asyncio.wait_for(process.wait(), 60)


@pytest.mark.parametrize("where", ["Dockerfile", "compose.yaml"])
async def test_the_health_check_tells_a_worker_that_lives(where: str) -> None:
    if where == "Dockerfile":
        command = json.loads(checks.stages(DOCKERFILE)[-1].values("HEALTHCHECK")[0].partition("CMD ")[2])
    else:
        command = COMPOSE["services"]["msr-app"]["healthcheck"]["test"][1:]
    assert command[0] == "python"
    handler = next(route.handler for route in probes.ROUTES if route.path == "/livez")
    living, ill = Application(), Application()
    living.router.add_get("/livez", handler)
    async with TestServer(living) as one, TestServer(ill) as other:
        assert one.port
        assert other.port
        assert await _status(command, one.port) == 0
        assert await _status(command, other.port) != 0
    assert await _status(command, other.port) != 0


def test_the_simulators_image_has_all_that_the_simulator_imports(tmp_path: Path) -> None:
    stage = next(stage for stage in checks.stages(DOCKERFILE) if stage.name == "simulator")
    for line in stage.values("COPY"):
        *sources, target = line.split()
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, tmp_path / target)
            else:
                (tmp_path / target).mkdir(exist_ok=True)
                shutil.copy(ROOT / source, tmp_path / target)
    command = json.loads(stage.values("ENTRYPOINT")[0])
    answer = subprocess.run(
        [sys.executable, *command[1:], "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert "--dsn" in answer.stdout
