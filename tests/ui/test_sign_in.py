"""Signing in to the console at a real Keycloak, in a browser."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from msr_local.keycloak import Distribution, Keycloak
from msr_local.ports import Ports
from msr_local.programs import Worker
from msr_local.stack import DEFAULT_ROOT, Stack

from tests.conftest import run

UI = Path(__file__).parents[2] / "web" / "ui"
#: So short that a token is renewed within the test: the console renews it 20 seconds before its end.
LIFESPAN = 30


@pytest.fixture(scope="module")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keycloak]:
    distribution = Distribution(DEFAULT_ROOT / "keycloak")
    distribution.fetch()
    yield from run(Keycloak(tmp_path_factory.mktemp("realm"), Ports.unused().app, distribution))


@pytest.fixture
def worker(stack: Stack, keycloak: Keycloak) -> Iterator[Worker]:
    """A worker that trusts the realm, and the realm trusts the address of its console."""
    made = stack.add_worker({"IAMS_KEYCLOAK_URL": keycloak.issuer, "IAMS_JWKS_FILE": ""})
    keycloak.let_sign_in(f"http://127.0.0.1:{made.port}/")
    keycloak.shorten_tokens(LIFESPAN)
    yield made
    stack.remove_worker(made)


@pytest.mark.timeout(600)
def test_people_sign_in_at_the_realm_and_lose_nothing_when_that_ends(keycloak: Keycloak, worker: Worker) -> None:
    where = {
        "MSR_URL": f"http://127.0.0.1:{worker.port}",
        "MSR_ISSUER": keycloak.issuer,
        "MSR_TOKENS": "{}",
        "MSR_MARKER": "{}",
    }
    ran = subprocess.run(
        ["npm", "run", "--silent", "e2e", "--", "e2e/realm"],
        cwd=UI, env={**os.environ, **where, "NO_COLOR": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    print(ran.stdout)
    assert ran.returncode == 0, ran.stdout + ran.stderr
