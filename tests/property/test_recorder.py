"""Random histories through the real recorder and a real PostgreSQL equal a naive fold of what the logs hold."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from msr_local.postgres import Postgres

from tests.conftest import history_settings
from tests.property.checks import check_answers, check_dead_letters, check_events
from tests.property.histories import History, histories
from tests.property.rig import Base
from tests.property.world import World

NOW = 1_795_393_589_000_000

profile.register_profile("ci", max_examples=80, derandomize=True, deadline=None, print_blob=True)
profile.register_profile("thorough", max_examples=1500, deadline=None, print_blob=True)
chosen = profile.get_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def base(postgres: Postgres, runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Base]:
    settings = history_settings(postgres.port, tmp_path_factory.mktemp("property"))
    base = Base(settings.model_copy(update={"max_lateness": 0.05}), workers=4)
    runner.run(base.open())
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    yield base
    structlog.configure(**before)
    runner.run(base.close())


@pytest.mark.timeout(0)
@given(history=histories)
@profile(chosen, suppress_health_check=list(HealthCheck))
def test_what_is_recorded_and_answered_is_what_happened(base: Base, runner: asyncio.Runner, history: History) -> None:
    runner.run(check(base, history))


async def check(base: Base, history: History) -> None:
    world = World(base, history, NOW)
    await world.play()
    await check_dead_letters(world)
    await check_answers(world, await check_events(world))
