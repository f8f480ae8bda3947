"""What must hold of docker/compose.yaml and docker/Dockerfile, as functions that list what is wrong.

No container engine is needed: the files are parsed. Each function takes the parsed file, so that a test can also
give it one that was broken on purpose.
"""

from __future__ import annotations

import fnmatch
import json
import posixpath
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from dockerfile_parse import DockerfileParser

from msr_stream.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"

Compose = dict[str, Any]
Service = dict[str, Any]

ONE_SHOTS = {"topics", "capture"}
PROFILES = {
    None: {"msr-app", "msr-db", "redpanda", "redpanda-console", "connect", "redis", "topics"},
    "demo": {"source-db", "simulator", "capture"},
    "iams": {"keycloak"},
}
BUILT = {"msr-stream", "msr-simulator"}
#: Ports that an image listens on without being told; the others are read from what the service is given.
DEFAULT_PORTS = {"msr-db": {5432}, "source-db": {5432}, "redpanda": {9644}}
#: A version: at least two numbers, whatever is around them.
_PINNED = re.compile(r"^(?P<name>(?:[a-z0-9.-]+/)*[a-z0-9-]+):v?\d+\.\d+[A-Za-z0-9.-]*$")
_PORT_VARIABLE = re.compile(r"(?:^|_)(?:LISTEN|APP_|METRICS_|HTTP_|MANAGEMENT_)PORT$")
_LISTENER = re.compile(r"://0\.0\.0\.0:(\d+)|--rpc-addr=0\.0\.0\.0:(\d+)|--port (\d+)")
_OWN = re.compile(r"(?:127\.0\.0\.1|localhost)[:/](\d{2,5})|-p\"?,? ?\"?(\d{2,5})")


class Instruction(NamedTuple):
    """One line of a Dockerfile."""

    name: str
    value: str


class Stage(NamedTuple):
    """A stage of a Dockerfile: its base, its own name, what it does."""

    base: str
    name: str
    instructions: list[Instruction]

    def values(self, name: str) -> list[str]:
        """What all instructions of a kind say."""
        return [one.value for one in self.instructions if one.name == name]


def compose() -> Compose:
    """docker/compose.yaml, parsed."""
    loaded: Compose = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    return loaded


def stages(dockerfile: str) -> list[Stage]:
    """The stages of a Dockerfile's text."""
    found: list[Stage] = []
    for line in DockerfileParser(fileobj=BytesIO(dockerfile.encode())).structure:
        if line["instruction"] == "FROM":
            base, _, name = re.split(r"\s+(AS)\s+", line["value"])
            found.append(Stage(base, name, []))
        elif found and line["instruction"] != "COMMENT":
            found[-1].instructions.append(Instruction(line["instruction"], line["value"]))
    return found


def environment(service: Service) -> dict[str, str]:
    """What `environment` sets, by name."""
    given = service.get("environment", {})
    return {name: str(value) for name, value in given.items()}


def example_variables() -> dict[str, str]:
    """What .env.example sets and does not comment out."""
    lines = (DOCKER / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def unknown_variables(parsed: Compose) -> list[str]:
    """Variables that a worker is given and does not know, and those that compose wants and .env.example lacks."""
    known = {name.upper() for name in Settings.model_fields}
    given = set(environment(parsed["services"]["msr-app"])) | set(example_variables())
    wanted = set(re.findall(r"(?<!\$)\$\{(\w+)", yaml.safe_dump(parsed)))
    return sorted(given - known) + sorted(wanted - example_variables().keys())


def floating_images(parsed: Compose) -> list[str]:
    """Images without a version, without a registry, or of ours with another version than the project's."""
    version = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[0]
    return [name for name, service in parsed["services"].items() if not _pinned(service, version)]


def _pinned(service: Service, version: str) -> bool:
    match = _PINNED.match(service.get("image", ""))
    if match is None:
        return False
    if "build" in service:
        return match["name"] in BUILT and service["image"] == f"{match['name']}:{version}"
    return "." in match["name"].split("/")[0]


def careless_services(parsed: Compose) -> list[str]:
    """Services without limits, health check or restart policy; one-shots need no health check."""
    wrong = []
    for name, service in parsed["services"].items():
        limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
        if {"cpus", "memory"} - limits.keys():
            wrong.append(f"{name}: limits")
        if service.get("restart") != ("on-failure:5" if name in ONE_SHOTS else "unless-stopped"):
            wrong.append(f"{name}: restart")
        if name not in ONE_SHOTS and not service.get("healthcheck", {}).get("test"):
            wrong.append(f"{name}: healthcheck")
        if (
            name not in ONE_SHOTS
            and {"interval", "timeout", "retries", "start_period"} - service.get("healthcheck", {}).keys()
        ):
            wrong.append(f"{name}: healthcheck times")
    return wrong


def listening(name: str, service: Service) -> set[int]:
    """The ports that a service listens on, going by what it is told."""
    told = environment(service)
    ports = set(DEFAULT_PORTS.get(name, set()))
    ports |= {int(value) for key, value in told.items() if _PORT_VARIABLE.search(key)}
    told_text = " ".join([*told.values(), *map(str, service.get("command", []))])
    return ports | {int(port) for found in _LISTENER.findall(told_text) for port in found if port}


def wrong_ports(parsed: Compose) -> list[str]:
    """Ports that are published, checked or called, and that nobody listens on."""
    services = parsed["services"]
    open_ports = {name: listening(name, service) for name, service in services.items()}
    wrong = [
        f"{name} exposes {sorted(map(int, service.get('expose', [])))}, listens on {sorted(open_ports[name])}"
        for name, service in services.items()
        if set(map(int, service.get("expose", []))) != open_ports[name]
    ]
    for name, service in services.items():
        published = [int(entry.rsplit(":", 1)[1]) for entry in service.get("ports", [])]
        wrong += [f"{name} publishes {port}" for port in published if port not in open_ports[name]]
        wrong += [
            f"{name} is published to everybody"
            for entry in service.get("ports", [])
            if not entry.startswith("127.0.0.1:")
        ]
        wrong += [f"{name} is checked on {port}" for port in checked(service) if port not in open_ports[name]]
        wrong += [
            f"{name} calls {host}:{port}" for host, port in calls(service, services) if port not in open_ports[host]
        ]
    host_ports = [entry.rsplit(":", 1)[0] for service in services.values() for entry in service.get("ports", [])]
    return wrong + [
        f"{port} is published twice" for port in {port for port in host_ports if host_ports.count(port) > 1}
    ]


def checked(service: Service) -> set[int]:
    """The own ports that a health check asks; none for one that asks somebody else."""
    test = " ".join(service.get("healthcheck", {}).get("test", []))
    return {int(port) for found in _OWN.findall(test) for port in found if port}


def calls(service: Service, services: dict[str, Service]) -> Iterator[tuple[str, int]]:
    """Which port of which service a service calls, in its variables, commands, health check and mounted files."""
    text = yaml.safe_dump({key: service.get(key) for key in ("command", "environment", "healthcheck")}, width=10_000)
    text += "".join(path.read_text() for path in mounted(service) if path.suffix in {".yaml", ".properties"})
    if "env_file" in service:
        text += "\n".join(example_variables().values())
    names = "|".join(sorted(map(re.escape, services), key=len, reverse=True))
    for host, port in re.findall(rf"(?<![\w.-])({names}):(\d+)", text):
        yield host, int(port)


def mounted(service: Service) -> list[Path]:
    """The files of ours that a service sees."""
    sources = [volume.split(":")[0] for volume in service.get("volumes", [])]
    return [DOCKER / source for source in sources if source.startswith((".", "/"))]


def missing_files(parsed: Compose, dockerfile: str) -> list[str]:
    """What is mounted, built from or copied and does not exist or is kept from the build; volumes without a name."""
    wrong = [
        str(path)
        for service in parsed["services"].values()
        for path in mounted(service)
        if not path.is_file()
        or ROOT not in path.resolve().parents
        or (path.suffix == ".sh" and not path.stat().st_mode & 1)
    ]
    for name, service in parsed["services"].items():
        named = {volume.split(":")[0] for volume in service.get("volumes", []) if not volume.startswith((".", "/"))}
        wrong += [f"{name}: volume {volume}" for volume in named - parsed["volumes"].keys()]
        if build := service.get("build"):
            folder = DOCKER / build["context"]
            if not (folder / build["dockerfile"]).is_file():
                wrong.append(f"{name}: {build['dockerfile']}")
            if build["target"] not in {stage.name for stage in stages(dockerfile)}:
                wrong.append(f"{name}: stage {build['target']}")
    return wrong + [source for source in copied(dockerfile) if not (ROOT / source).exists() or _ignored(source)]


def copied(dockerfile: str) -> list[str]:
    """What the build takes from the project's folder."""
    lines = [value for stage in stages(dockerfile) for value in stage.values("COPY") if not value.startswith("--from")]
    return [source for line in lines for source in line.split()[:-1]]


def _ignored(source: str) -> bool:
    """Whether .dockerignore keeps a path from the build: the last line that matches it or a folder above decides."""
    ignored = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!")
            paths = [source, *(str(parent) for parent in Path(source).parents)]
            if any(fnmatch.fnmatch(path, pattern) for path in paths if path != "."):
                ignored = not line.startswith("!")
    return ignored


def wrong_dependencies(parsed: Compose) -> list[str]:
    """Dependencies on a service that is not there, is of another profile, or whose condition it cannot meet."""
    services = parsed["services"]
    wrong = []
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            condition = "service_completed_successfully" if other in ONE_SHOTS else "service_healthy"
            reachable = other in services and set(services[other].get("profiles", [])) <= set(
                service.get("profiles", [])
            )
            if not reachable or how.get("condition") != condition:
                wrong.append(f"{name} on {other}")
        hosts = {host for host, _ in calls(service, services)} - {name}
        optional = {host for host in hosts if services[host].get("profiles")} if "profiles" not in service else set()
        unmet = hosts - optional - service.get("depends_on", {}).keys()
        # Both show what is there; neither waits for Connect.
        wrong += [
            f"{name} calls {host} and does not wait for it"
            for host in unmet
            if (name, host) not in {("redpanda-console", "connect"), ("msr-app", "connect")}
        ]
    return wrong


def wrong_profiles(parsed: Compose) -> list[str]:
    """Services that are missing, not expected, or in another profile than they should be."""
    found: dict[str | None, set[str]] = {}
    for name, service in parsed["services"].items():
        for profile in service.get("profiles", [None]):
            found.setdefault(profile, set()).add(name)
    return [str(profile) for profile in {*found, *PROFILES} if found.get(profile) != PROFILES.get(profile)]


def unsafe_image(dockerfile: str) -> list[str]:
    """What the image that is built must be, and is not: small, somebody else than root, checked, stopped in order."""
    built = stages(dockerfile)
    last, names = built[-1], {stage.name for stage in built}
    # Nobody runs what another stage is built from, or takes its files from.
    within = {stage.base for stage in built} | {
        source for stage in built for value in stage.values("COPY") for source in re.findall(r"--from=(\S+)", value)
    }
    wrong = [
        f"{stage.name} is from {stage.base}"
        for stage in built
        if stage.base not in names and not _PINNED.match(stage.base)
    ]
    for stage in built:
        users = stage.values("USER")
        if stage.name not in within and not _harmless(users):
            wrong.append(f"{stage.name} runs as {users[-1:] or 'root'}")
    wrong += [
        f"{last.name}: {run}"
        for run in last.values("RUN")
        if re.search(r"\b(?:pip|apt-get|apt|gcc|make|git|curl)\b", run)
    ]
    for name in ("CMD", "ENTRYPOINT"):
        wrong += [
            f"{stage.name}: {name} {value}" for stage in built for value in stage.values(name) if not _exec_form(value)
        ]
    health = last.values("HEALTHCHECK")
    if len(health) != 1 or "/livez" not in health[0] or not _exec_form(health[0].partition("CMD ")[2]):
        wrong.append(f"HEALTHCHECK {health}")
    if last.values("STOPSIGNAL") != ["SIGTERM"]:
        wrong.append("STOPSIGNAL")
    folder = re.search(r"DATA_DIR=(\S+)", " ".join(last.values("ENV")))
    if folder is None or last.values("VOLUME") != [json.dumps([folder[1]])]:
        wrong.append("VOLUME")
    ports = re.findall(r"(?:APP|METRICS)_PORT=(\d+)", " ".join(last.values("ENV")))
    if sorted(" ".join(last.values("EXPOSE")).split()) != sorted(ports) or len(ports) != 2:
        wrong.append("EXPOSE")
    return wrong


def missing_console(dockerfile: str) -> list[str]:
    """What keeps the image from serving the console: not built as by `make ui`, or not where the wheel looks."""
    built = {stage.name: stage for stage in stages(dockerfile)}
    made, packed = built.get("console"), built["build"]
    if made is None:
        return ["there is no stage console"]
    told = [f"{one.name} {one.value}" for one in made.instructions]
    wrong = [] if _in_order(_CONSOLE, told) else [f"console: {told}"]
    node, wanted = re.search(r"/node:([\d.]+)", made.base), re.search(r'"node": ">=([\d.]+)"', _ui("package.json"))
    if node is None or wanted is None or _version(node[1]) < _version(wanted[1]):
        wrong.append(f"console is from {made.base}")
    into = re.search(r"outDir: '(.+)'", _ui("vite.config.ts"))
    folder = posixpath.normpath(posixpath.join(made.values("WORKDIR")[-1], into[1])) if into else "?"
    steps = [f"COPY --from=console {folder} web/console", "RUN pip --python /opt/msr/bin/python install --no-deps ."]
    if not _in_order(steps, [f"{one.name} {one.value}" for one in packed.instructions]):
        wrong.append(f"build does not take {folder} before it installs the packages")
    return wrong


#: What the stage does, in this order; between it may be more.
_CONSOLE = [
    "COPY web/ui/package.json web/ui/package-lock.json ./",
    "RUN npm ci --no-audit --no-fund",
    "COPY web/ui ./",
    "RUN npm run build",
]


def _in_order(wanted: list[str], told: list[str]) -> bool:
    left = iter(told)
    return all(one in left for one in wanted)


def _ui(name: str) -> str:
    return (ROOT / "web" / "ui" / name).read_text()


def _version(text: str) -> list[int]:
    return [int(part) for part in text.split(".")]


def _harmless(users: list[str]) -> bool:
    return bool(users) and re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]) is not None


def _exec_form(value: str) -> bool:
    try:
        words = json.loads(value)
    except ValueError:
        return False
    return isinstance(words, list) and all(isinstance(word, str) for word in words)
