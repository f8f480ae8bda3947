"""Random histories through the real recorder and a real PostgreSQL equal a naive fold of what the logs hold."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, Phase, given, note
from hypothesis import settings as profile
from msr_local.postgres import Postgres

from msr_stream.instants import MINUTE
from msr_stream.recording.progress import Shard
from tests.conftest import history_settings
from tests.property.answers import events, folded, state
from tests.property.histories import History, histories
from tests.property.naive import Expected, first_seen, fold, state_at
from tests.property.rig import Base
from tests.property.world import TENANTS, World

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
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(60))
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
    recorded = {shard: await _events(base, shard) for shard, in [(shard,) for c in world.captures.values() for shard in c.shards]}
    shards: list[tuple[list[Expected], list[int]]] = []
    for capture in world.captures.values():
        logs = world.recorded_items(capture)
        for shard, log in logs.items():
            order = [item.index for item in first_seen(log)]
            assert order == sorted(order), "the generator is wrong: a log out of the source's order"
        for shard, expected in fold(logs).items():
            _same_events(shard, expected, recorded[shard])
            await _times_are_right(world, shard, expected, recorded[shard])
            shards.append((expected, [row["event_timestamp"] for row in recorded[shard]]))
    await _answers_are_right(world, shards)


async def _events(base: Base, shard: Shard) -> list[Any]:
    found: list[Any] = await base.connection.fetch(
        "SELECT e.* FROM cdc_event e JOIN shard USING (shard_id) WHERE topic = $1 AND partition = $2 ORDER BY position", *shard
    )
    return found


def _same_events(shard: Shard, expected: Sequence[Expected], recorded: Sequence[Any]) -> None:
    """Every change once, in the order of the log, numbered without gap, complete, and of the right tenant."""
    assert [row["position"] for row in recorded] == list(range(1, len(recorded) + 1))
    wanted = [
        (e.op, e.table, e.entity_id, e.tenant, e.item.time, e.item.lsn if e.item.kind != "r" and has_lsn(shard) else None,
         sorted(e.unavailable), e.state) for e in expected
    ]  # fmt: skip
    found = [
        (row["op"], row["table_name"], row["entity_id"], row["tenant_id"],
         row["event_timestamp"] if row["source_timestamp"] is None else row["source_timestamp"], row["source_lsn"],
         sorted(row["unavailable_fields"] or []), _raw(row["entity_state"])) for row in recorded
    ]  # fmt: skip
    for number, (one, other) in enumerate(zip(wanted, found, strict=False), 1):
        assert one == other, f"{shard}, position {number}: expected {one}, recorded {other}"
    assert len(wanted) == len(found), f"{shard}: expected {wanted}, recorded {found}"


def has_lsn(shard: Shard) -> bool:
    return not shard.topic.startswith("g.")
