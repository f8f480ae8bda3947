"""The package `msr-replay` as an application gets it: packed, installed into the example host, opened in a browser."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from msr_local.ports import Ports
from msr_local.stack import Stack

from tests.ui.test_console import MARKER, UI, marked

__all__ = ["marked"]  # the fixture


def run(*command: str, cwd: Path, **settings: str) -> str:
    """Run a program to its end; what it said, if that was a good one."""
    environment = {**os.environ, "NO_COLOR": "1", **settings}
    ran = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def sources(project: Path) -> dict[str, str]:
    """Every source file of an application with what is in it."""
    files = [path for path in (project / "src").rglob("*") if path.is_file()]
    return {str(path.relative_to(project)): path.read_text() for path in [*files, project / "package.json"]}


@pytest.fixture(scope="session")
def application(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example host, with the packed package in it."""
    tarball = UI / run("npm", "run", "--silent", "package", cwd=UI).splitlines()[-1]
    project = tmp_path_factory.mktemp("host") / "example"
    shutil.copytree(UI / "example", project, ignore=shutil.ignore_patterns("node_modules", ".svelte-kit", "build"))
    run("npm", "install", "--silent", "--no-audit", "--no-fund", str(tarball), cwd=project)
    return project


@pytest.fixture(scope="session")
def host(marked: Stack, application: Path) -> Iterator[str]:
    """The application as it is in production, with a page that the package's command has added."""
    before = sources(application)
    run("npx", "msr-replay", "add", "--yes", "--route", "added", cwd=application)
    run("npm", "run", "--silent", "build", cwd=application)
    url = f"http://127.0.0.1:{Ports.unused().app}"
    worker = {"MSR_URL": f"http://127.0.0.1:{marked.ports.app}", "MSR_TOKEN": marked.tokens.ensure()["alice"]}
    serving = {"HOST": "127.0.0.1", "PORT": url.rsplit(":", 1)[1], "ORIGIN": url}
    server = subprocess.Popen(["node", "build"], cwd=application, env={**os.environ, **worker, **serving})
    try:
        answers(url)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)
    run("npx", "msr-replay", "remove", "--yes", cwd=application)
    assert sources(application) == before


def answers(url: str, seconds: float = 30) -> None:
    """Wait until somebody answers there."""
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url):
                return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def end_sessions(stack: Stack) -> None:
    """Places are few, and other stories have taken some."""
    url, token = f"http://127.0.0.1:{stack.ports.app}/admin/sessions", stack.tokens.ensure()["root"]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}?status=ACTIVE&size=100", headers=headers)) as answer:
        ids = [session["id"] for session in json.load(answer)["data"]]
    if ids:
        body = json.dumps({"session_ids": ids}).encode()
        urllib.request.urlopen(urllib.request.Request(f"{url}/terminate", body, headers)).close()


@pytest.mark.timeout(900)
def test_an_application_replays_with_the_package(marked: Stack, host: str) -> None:
    end_sessions(marked)
    where = {"MSR_URL": host, "MSR_TOKENS": "{}", "MSR_MARKER": MARKER}
    print(run("npm", "run", "--silent", "e2e", "--", "e2e/host/host.e2e.ts", cwd=UI, **where))


def test_web_base_finds_what_its_install_command_copies(application: Path) -> None:
    package = application / "node_modules" / "msr-replay"
    routes = package / "src" / "routes" / "(private)" / "aoh" / "msr"
    setup = package / "src/lib/aoh/msr/modlet.setup.ts"
    library = [package / "modlet.config.ts", package / "modlet.setup.ts", setup, package / "src/lib/aoh/msr/index.ts"]
    pages = [routes / "+page.svelte", routes / "sessions/+page.svelte", routes / "api/[...path]/+server.ts"]
    assert [path for path in [*library, *pages] if not path.is_file()] == []
    assert "MSR_URL" in setup.read_text()
