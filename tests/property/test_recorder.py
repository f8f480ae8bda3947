"""Random histories through the real recorder and a real PostgreSQL equal a naive fold of what the logs hold."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from msr_local.postgres import Postgres

from tests.property.checks import check_answers, check_dead_letters, check_events
from tests.property.conftest import NOW, chosen, opened
from tests.property.histories import History, histories
from tests.property.rig import Base
from tests.property.world import World


@pytest.fixture(scope="module")
def base(postgres: Postgres, runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Base]:
    yield from opened(postgres, runner, tmp_path_factory.mktemp("property"), workers=4)


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
