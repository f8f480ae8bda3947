"""What the property tests share: their profile, a loop, and a quiet place for histories."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings as profile
from msr_local.postgres import Postgres

from tests.conftest import history_settings
from tests.property.rig import Base

NOW = 1_795_393_589_000_000

profile.register_profile("ci", max_examples=80, derandomize=True, deadline=None, print_blob=True)
profile.register_profile("thorough", max_examples=1500, deadline=None, print_blob=True)
chosen = profile.get_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One event loop for all examples of a module."""
    with asyncio.Runner() as runner:
        yield runner


def opened(postgres: Postgres, runner: asyncio.Runner, folder: Path, workers: int) -> Iterator[Base]:
    """A history database for so many workers, which log nothing, until the fixture that yields from this is done."""
    settings = history_settings(postgres.port, folder)
    base = Base(settings.model_copy(update={"max_lateness": 0.05}), workers=workers)
    runner.run(base.open())
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    yield base
    structlog.configure(**before)
    runner.run(base.close())
