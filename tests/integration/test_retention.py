"""Retention on real PostgreSQL servers: exact from the cutoff on, whoever reads, and wherever a run is broken off."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msr_local.postgres import Postgres

from msr_stream.errors import BadRequest, Conflict, NotFound
from msr_stream.identity import Caller
from msr_stream.instants import DAY, HOUR, SECOND, now
from msr_stream.recording.progress import Shard
from msr_stream.replay import EventsQuery, StateQuery
from msr_stream.retainer import Retainer
from msr_stream.settings import Settings
from msr_stream.store import queries
from msr_stream.store.audit import Actor
from msr_stream.store.keyframes import Keyframes
from msr_stream.store.retaining import Retaining, StillRead
from msr_stream.store.retention import Retention
from msr_stream.store.sources import Sources
from tests.conftest import history_settings, run_postgres, servers
from tests.world import EPOCH, TOPIC, World, until, world

pytestmark = pytest.mark.usefixtures("within_a_day")

ACTOR = Actor(Caller("u1", "root", None, frozenset()), "8a3cbf0c-7d5a-4dc8-8f0e-1d9b8d2b7a10")
QUIET = "d.s.quiet"
STEPS = [
    "settled", "keyframes", "forgotten", "waited", "detached cdc_event", "dropped cdc_event", "detached keyframe",
    "dropped keyframe", "tidied",
]  # fmt: skip


@pytest.fixture(scope="module", params=servers(), ids=lambda folder: folder.parent.name)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """Each PostgreSQL server that this machine has."""
    yield from run_postgres(tmp_path_factory.mktemp("postgres"), request.param)


@pytest.fixture
def settings(server: Postgres, tmp_path: Path) -> Settings:
    """Settings of a worker whose history lies in that server, settled up to now when its log is flushed."""
    return history_settings(server.port, tmp_path).model_copy(update={"max_lateness": 0.0})


class Killed(BaseException):
    """What nobody catches, as a SIGKILL."""


def cutoff() -> int:
    return (now() - 7 * DAY) // DAY * DAY


def retaining(w: World, patience: float = 30.0, passed: Callable[[str], None] = lambda _: None) -> Retaining:
    return Retaining(w.settings, w.database, Keyframes(w.database), patience=patience, passed=passed)


@asynccontextmanager
async def filled(settings: Settings) -> AsyncIterator[World]:
    """Twelve days in three shards: one changes daily, one on a few days, one has not changed since the first day.

    In each live entities of tenant t1, of t2 and shared ones; some are deleted before the cutoff, some after it.
    """
    async with world(settings) as w:
        await w.own(partitions=2)
        await w.own(QUIET)
        begin = cutoff() - 5 * DAY + HOUR
        for number, tenant in enumerate(("t1", "t2", None, "t1")):
            row = {"id": f"q{number}", **({"tenant_id": tenant} if tenant else {}), "n": f"secret-q{number}"}
            w.send(row, shard=Shard(QUIET, 0), ts_us=begin + number)
        w.send({"id": "q3", "tenant_id": "t1"}, op="d", shard=Shard(QUIET, 0), ts_us=begin + SECOND)
        for day in range(12):
            at = begin + day * DAY
            for tenant in ("t1", "t2"):
                w.send({"id": f"{tenant}-{day}", "tenant_id": tenant, "n": day}, ts_us=at)
                w.send({"id": f"{tenant}-all", "tenant_id": tenant, "n": day}, op="u" if day else "c", ts_us=at + 1)
            if day in (1, 4, 9):
                w.send({"id": f"t1-{day - 1}", "tenant_id": "t1"}, op="d", ts_us=at + 2)
                w.send({"id": f"p{day}", "tenant_id": "t1", "n": day}, shard=Shard(TOPIC, 1), ts_us=at)
        await w.flushed()
        await settle(w)
        yield w


async def settle(w: World) -> int:
    wanted = now()
    found: list[int] = []

    async def tick() -> bool:
        await w.settler.tick()
        settled = (await w.fetch("SELECT settled_instant() AS s"))[0]["s"]
        found.append(settled or 0)
        return bool(settled and settled >= wanted)

    for _ in range(6000):
        if await tick():
            return found[-1]
        await asyncio.sleep(0.01)
    raise AssertionError(f"S is {found[-1]}, wanted {wanted}")


async def raw_state(w: World, tenant: str, at: int) -> bytes:
    pieces: list[bytes] = []
    async with w.replay.snapshot(tenant, at) as snapshot:
        await snapshot.state(StateQuery(at), snapshot.resolve(at), _into(pieces))
    return b"".join(pieces)


async def raw_events(w: World, tenant: str, start: int, end: int) -> bytes:
    pieces: list[bytes] = []
    async with w.replay.snapshot(tenant, end) as snapshot:
        await snapshot.events(EventsQuery(start, end), _into(pieces))
    return b"".join(pieces)


async def answers(w: World, since: int | None = None) -> dict[Any, bytes]:
    """All states and windows from the cutoff on, as bytes."""
    begin = cutoff() if since is None else since
    end = min(now() - HOUR, begin + 8 * DAY)
    moments = [begin, begin + 1, begin + HOUR, *range(begin + HOUR + 1, end, DAY // 2)]
    found: dict[Any, bytes] = {}
    for tenant in ("t1", "t2"):
        for moment in moments:
            found[tenant, moment] = await raw_state(w, tenant, moment)
        for start, stop in itertools.pairwise(moments):
            found[tenant, start, stop] = await raw_events(w, tenant, start, stop)
        found[tenant, "all"] = await raw_events(w, tenant, begin, moments[-1])
    return found


def _into(pieces: list[bytes]) -> Callable[[bytes], Any]:
    async def sink(piece: bytes) -> None:
        pieces.append(piece)

    return sink


async def everything(w: World) -> dict[str, Any]:
    """What is in the history, to see that nothing has changed."""
    names = (
        "cdc_event",
        "keyframe",
        "keyframe_head",
        "activity",
        "coverage",
        "shard",
        "history_partition",
        "history_epoch",
    )
    return {name: [tuple(row) for row in await w.fetch(f"SELECT * FROM {name} ORDER BY 1, 2")] for name in names}


async def test_from_the_cutoff_on_every_answer_is_the_same_before_and_after(settings: Settings) -> None:
    """Byte for byte, of both tenants, also of a shard that has not changed since; what is older is gone."""
    async with filled(settings) as w:
        before = await answers(w)
        assert len(set(before.values())) > 20
        assert b"secret-q0" in before["t1", cutoff()]
        assert b"secret-q3" not in before["t1", cutoff()]
        plan = await retaining(w).run()
        assert plan is not None
        assert len(plan.parts) == 5
        assert plan.keyframes == 3
        assert await answers(w) == before
        assert (await w.fetch("SELECT count(*) FROM cdc_event WHERE event_timestamp < $1", cutoff()))[0][0] == 0
        assert (await w.fetch("SELECT count(*) FROM cdc_event WHERE entity_id = 'q3'"))[0][0] == 0
        assert (await w.fetch("SELECT count(*) FROM keyframe WHERE entity_id = 'q3'"))[0][0] == 0
        left = await w.fetch("SELECT count(*) FROM history_partition WHERE upper(covers) <= $1", cutoff())
        assert left[0][0] == 0
        assert (await w.fetch("SELECT min(bucket) AS b FROM activity"))[0]["b"] >= cutoff()
        sums = await w.fetch("SELECT sum(changes)::int FROM activity_total GROUP BY span")
        assert [row[0] for row in sums] == [(await w.fetch("SELECT sum(changes)::int FROM activity"))[0][0]] * 2
        run = (await Retention(w.database).status())["last_run"]
        assert (run["state"], run["partitions"], run["step"]) == ("done", 5, "tidied")


async def test_bounds_are_those_that_retention_has_left(settings: Settings) -> None:
    """Also when the range is raised later: what is gone is refused, never answered as if nothing had been."""
    async with filled(settings) as w:
        await retaining(w).run()
        await w.fetch("UPDATE configuration SET value = '30' WHERE key = 'max_playback_range'")
        async with w.replay.snapshot("t1", None) as snapshot:
            assert snapshot.bounds.earliest == cutoff()
            snapshot.bounds.check(cutoff())
            snapshot.bounds.check_window(cutoff(), now() - HOUR)
            with pytest.raises(BadRequest, match="before the earliest"):
                snapshot.bounds.check(cutoff() - 1)
            with pytest.raises(BadRequest, match="before the earliest"):
                snapshot.bounds.check_window(cutoff() - 1, cutoff() + 1)
        assert await retaining(w).run() is not None
        assert (await w.fetch("SELECT retained_from FROM history_epoch"))[0][0] == cutoff()


async def test_a_second_run_does_nothing(settings: Settings) -> None:
    async with filled(settings) as w:
        await retaining(w).run()
        before = await everything(w)
        plan = await retaining(w).run()
        assert plan is not None
        assert (list(plan.parts), plan.rows, plan.keyframes) == ([], 0, 0)
        assert await everything(w) == before


async def test_a_dry_run_says_what_goes_and_changes_nothing(settings: Settings) -> None:
    async with filled(settings) as w:
        before = await everything(w)
        plan = await Retention(w.database).plan()
        assert await everything(w) == before
        counted = await w.fetch("SELECT count(*) FROM cdc_event WHERE event_timestamp < $1", cutoff())
        assert plan.rows == counted[0][0] > 0
        assert plan.bytes > 0
        done = await retaining(w).run()
        assert done is not None
        assert [part.name for part in done.parts] == [part.name for part in plan.parts]
        assert done.rows == plan.rows


@pytest.mark.parametrize("step", STEPS)
async def test_broken_off_after_any_step_it_comes_to_the_same_end(settings: Settings, step: str) -> None:
    """At no moment is an answer wrong: neither after the break nor after the next run."""

    def kill(passed: str) -> None:
        if passed == step:
            raise Killed

    async with filled(settings) as w:
        before = await answers(w)
        await w.fetch("SELECT ensure_partition('keyframe', $1)", cutoff() - 3 * DAY)
        with pytest.raises(Killed):
            await retaining(w, passed=kill).run()
        assert await answers(w) == before
        assert (await Retention(w.database).status())["last_run"]["state"] == "running"
        plan = await retaining(w).run()
        assert plan is not None
        assert await answers(w) == before
        left = await w.fetch("SELECT name FROM history_partition WHERE upper(covers) <= $1", cutoff())
        assert left == []
        tables = await w.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relkind = 'r' "
            "AND relname ~ '^(cdc_event|keyframe)_[0-9]'", w.settings.database_schema,
        )  # fmt: skip
        known = await w.fetch("SELECT name FROM history_partition")
        assert {row[0] for row in tables} == {row[0] for row in known}


@pytest.mark.parametrize("own", [False, True], ids=["all history", "a table's own time"])
async def test_what_is_sent_again_of_removed_history_is_a_copy(settings: Settings, own: bool) -> None:
    """A connector that was down for as long as history is kept sends its last minute again when it comes back.

    What shares its sequence with the last record is new: rows of one COPY do.
    """
    async with world(settings) as w:
        await w.own()
        old = cutoff() + (DAY if own else -30 * DAY)
        for number in range(1, 4):
            w.send({"id": number % 2, "n": number}, op="u" if number == 3 else "c", lsn=number, txId=number,
                   sequence=f'["{number - 1}", "{number}"]', ts_us=old + number)  # fmt: skip
        await w.flushed()
        await settle(w)
        if own:
            await Retention(w.database).set_days("s.t", 3, ACTOR)
        await retaining(w).run()
        assert await w.fetch("SELECT FROM cdc_event") == []
        before = await w.state("t1", await settle(w))
        for number in (1, 2):
            w.send({"id": number % 2, "n": number}, lsn=number, txId=number,
                   sequence=f'["{number - 1}", "{number}"]', ts_us=old + number)  # fmt: skip
        w.send({"id": 7, "n": 7}, lsn=3, txId=3, sequence='["2", "3"]', ts_us=old + 3)
        await w.flushed()
        assert [row["entity_id"] for row in await w.fetch("SELECT entity_id FROM cdc_event")] == ["7"]
        assert (await w.fetch("SELECT copies FROM shard"))[0]["copies"] == 2
        after = await w.state("t1", await settle(w))
        assert [row for row in after if row["entity_id"] != "7"] == before


async def test_an_answer_that_began_before_ends_whole_and_new_ones_do_not_wait(settings: Settings) -> None:
    """The run waits for the old answer; meanwhile new ones begin with the new bounds, and end at once."""
    async with filled(settings) as w:
        old_at = cutoff() - 2 * DAY
        wanted = await raw_state(w, "t1", old_at)
        before = await answers(w)
        steps: list[str] = []
        pieces: list[bytes] = []
        async with w.replay.snapshot("t1", old_at) as snapshot:
            snapshot.bounds.check(now() - DAY)
            task = asyncio.create_task(retaining(w, passed=steps.append).run())
            await until(lambda: "forgotten" in steps, "the run waits for the answer")
            new = await asyncio.wait_for(answers(w), 60)
            assert new == before
            async with w.replay.snapshot("t1", None) as fresh:
                assert fresh.bounds.earliest >= cutoff()
            await snapshot.state(StateQuery(old_at), old_at, _into(pieces))
            assert not task.done()
            assert "waited" not in steps
        assert await asyncio.wait_for(task, 60) is not None
        assert b"".join(pieces) == wanted
        assert await answers(w) == before


async def test_an_answer_under_way_with_the_new_bounds_makes_nobody_wait(settings: Settings) -> None:
    """Partitions are detached while it reads on: the run waits for it, new answers and new records do not."""
    async with filled(settings) as w:
        steps: list[str] = []
        at = cutoff() + DAY
        held = w.replay.snapshot("t1", at)

        def passed(step: str) -> None:
            steps.append(step)

        async with w.replay.snapshot("t1", at):
            task = asyncio.create_task(retaining(w, passed=passed).run())
            await until(lambda: "forgotten" in steps, "the run waits")
            fresh = await held.__aenter__()
            pieces: list[bytes] = []
            await fresh.state(StateQuery(at), at, _into(pieces))
        await until(lambda: "waited" in steps, "the old answer is done")
        await _detaching(w)
        await asyncio.wait_for(answers(w), 60)
        w.send({"id": "new", "tenant_id": "t1"}, ts_us=now())
        await asyncio.wait_for(w.flushed(), 60)
        assert not task.done()
        again: list[bytes] = []
        await fresh.state(StateQuery(at), at, _into(again))
        assert again == pieces
        await held.__aexit__(None, None, None)
        assert await asyncio.wait_for(task, 60) is not None


async def _detaching(w: World) -> None:
    """Wait until a partition is half detached."""
    for _ in range(6000):
        if (await w.fetch("SELECT count(*) FROM pg_inherits WHERE inhdetachpending"))[0][0]:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("waited in vain until a partition is half detached")


async def test_an_answer_that_takes_too_long_puts_the_run_off(settings: Settings) -> None:
    """Nothing is taken from under it; the run says that it waits, and a later one goes on."""
    async with filled(settings) as w:
        old_at = cutoff() - 2 * DAY
        wanted = await raw_state(w, "t1", old_at)
        pieces: list[bytes] = []
        async with w.replay.snapshot("t1", old_at) as snapshot:
            with pytest.raises(StillRead):
                await retaining(w, patience=0.2).run()
            assert (await Retention(w.database).status())["last_run"]["state"] == "waiting"
            await snapshot.state(StateQuery(old_at), old_at, _into(pieces))
        assert b"".join(pieces) == wanted
        await retaining(w).run()
        assert (await Retention(w.database).status())["last_run"]["state"] == "done"


async def test_two_histories_in_one_database_do_not_wait_for_one_another(
    settings: Settings, server: Postgres, tmp_path: Path
) -> None:
    """Each schema has an epoch of its own, also where their numbers are the same."""
    async with (
        filled(settings) as w,
        world(history_settings(server.port, tmp_path)) as neighbour,
        neighbour.replay.snapshot("t1", None) as snapshot,
    ):
        assert not snapshot.bounds.shards
        await retaining(w, patience=0.2).run()
        assert (await Retention(w.database, patience=0.2).erase("s.t", "t1-11", "why", ACTOR))["open_answers"] == 0


async def test_a_reader_that_meets_the_new_epoch_begins_anew(settings: Settings) -> None:
    """It has read the old epoch, and holds it only after it was raised: it is answered, not refused."""
    async with filled(settings) as w:
        begin = w.replay._begin
        met = 0

        async def raised(connection: Any, epoch: int, tenant: str) -> Any:
            nonlocal met
            met += 1
            return await begin(connection, epoch - 1 if met == 1 else epoch, tenant)

        w.replay._begin = raised  # type: ignore[method-assign]
        assert await w.state("t1", cutoff()) != []
        assert met == 2
        holders = await w.fetch(f"SELECT count(*) FROM pg_locks WHERE classid::bigint = {EPOCH} & 4294967295")
        assert holders[0][0] == 0


async def test_two_workers_at_once_are_one(settings: Settings) -> None:
    async with filled(settings) as w:
        before = await answers(w)
        found = await asyncio.gather(*(retaining(w).run() for _ in range(4)), return_exceptions=True)
        assert sum(isinstance(one, Conflict) for one in found) >= 1
        assert all(not isinstance(one, BaseException) or isinstance(one, Conflict) for one in found)
        assert await answers(w) == before
        assert (await w.fetch("SELECT count(*) FROM retention_run WHERE state <> 'done'"))[0][0] == 0


async def test_a_shard_behind_the_cutoff_records_after_it(settings: Settings) -> None:
    """A source that fell silent before the cutoff: what comes late of it does not change what is kept."""
    async with filled(settings) as w:
        await w.own("e.s.late")
        await w.fetch(
            "UPDATE shard SET live = false, settled_until = NULL, version = version + 1 WHERE topic = 'e.s.late'"
        )
        await retaining(w).run()
        before = await answers(w)
        late = Shard("e.s.late", 0)
        w.send({"id": "late", "tenant_id": "t1"}, shard=late, ts_us=cutoff() - DAY)
        await w.flushed()
        found = await w.fetch("SELECT event_timestamp AS t FROM cdc_event WHERE entity_id = 'late'")
        assert found[0]["t"] > cutoff()
        assert await raw_state(w, "t1", cutoff()) == before["t1", cutoff()]


async def test_recording_goes_on_from_what_is_kept(settings: Settings) -> None:
    """An entity whose last event is gone is still known: its delete has tenant and last state."""
    async with filled(settings) as w:
        await retaining(w).run()
        await w.recorder.revoke(list(w.recorder.shards))
        await w.own(partitions=2)
        await w.own(QUIET)
        w.write(json.dumps({"id": "q1"}).encode(), None, Shard(QUIET, 0))
        await w.flushed()
        found = await w.fetch("SELECT op, tenant_id, entity_state FROM cdc_event WHERE entity_id = 'q1'")
        assert [(row["op"], row["tenant_id"]) for row in found] == [("d", "t2")]
        assert "secret-q1" in found[0]["entity_state"]


async def test_a_table_retired_after_a_run_ends_also_what_only_a_keyframe_knows(settings: Settings) -> None:
    async with filled(settings) as w:
        await retaining(w).run()
        ended = await Sources(w.database).retire("d", "s.quiet", ACTOR)
        assert ended.entities == 3
        found = await w.fetch("SELECT entity_id, op, tenant_id FROM cdc_event WHERE table_name = 's.quiet' ORDER BY 1")
        assert [tuple(row) for row in found] == [("q0", "d", "t1"), ("q1", "d", "t2"), ("q2", "d", None)]


async def test_a_dead_letter_older_than_what_is_kept_is_not_recorded_behind_it(settings: Settings) -> None:
    """Whether its entity was changed or deleted afterwards, nobody knows any more."""
    ask = queries.load("dead_letters")["superseded_by"]
    async with filled(settings) as w:

        async def why(moment: int) -> list[str]:
            return [row["why"] for row in await w.fetch(ask, 3, "s.quiet", "unknown", 1, 1, 1, moment)]

        assert await why(cutoff() - 1) == []
        await retaining(w).run()
        assert await why(cutoff() - 1) == ["it is older than the history that is kept"]
        assert await why(cutoff()) == []


async def test_old_dead_letters_and_sessions_go_with_the_history_but_not_before_ninety_days(settings: Settings) -> None:
    async with filled(settings) as w:
        for age in (100, 20):
            await w.fetch(
                "INSERT INTO dead_letter (shard_id, record_offset, record_timestamp, code, reason, created_at) "
                "VALUES (1, 0, 0, 'X', 'x', $1)", now() - age * DAY,
            )  # fmt: skip
            await w.fetch(
                "INSERT INTO coverage (shard_id, covered_from, covered_until, reason) VALUES (1, NULL, $1, 'hole')",
                now() - age * DAY + 15 * DAY,
            )
        await retaining(w).run()
        assert (await w.fetch("SELECT count(*) FROM dead_letter"))[0][0] == 1
        ended = await w.fetch("SELECT covered_until FROM coverage WHERE reason = 'hole'")
        assert [row[0] > cutoff() for row in ended] == [True]


async def test_a_table_with_a_time_of_its_own_goes_earlier_and_is_named(settings: Settings) -> None:
    """From its cutoff on it is exact; before, it has no rows and is named; other tables are untouched."""
    async with filled(settings) as w:
        retention = Retention(w.database)
        await retention.set_days("s.t", 2, ACTOR)
        with pytest.raises(NotFound):
            await retention.set_days("s.unknown", 2, ACTOR)
        own = (now() - 2 * DAY) // DAY * DAY
        quiet = {at: [r for r in await w.state("t1", at) if r["table_name"] == "s.quiet"] for at in (cutoff(), own)}
        await Keyframes(w.database).build(1, cutoff() + DAY)
        exact = await answers(w, own)
        plan = await retention.plan()
        assert plan.table_rows["s.t"] > 0
        await retaining(w).run()
        assert await answers(w, own) == exact
        for at in (cutoff(), cutoff() + 2 * DAY, own - 1):
            assert {row["table_name"] for row in await w.state("t1", at)} == {"s.quiet"}
            async with w.replay.snapshot("t1", at) as snapshot:
                assert await snapshot.incomplete(at) == ["s.t"]
                assert await snapshot.incomplete(now(), at) == ["s.t"]
        async with w.replay.snapshot("t1", own) as snapshot:
            assert await snapshot.incomplete(own) == []
        for at, rows in quiet.items():
            assert [r for r in await w.state("t1", at) if r["table_name"] == "s.quiet"] == rows
        for name, moment in (("cdc_event", "event_timestamp"), ("keyframe", "keyframe_timestamp")):
            left = await w.fetch(f"SELECT count(*) FROM {name} WHERE table_name = 's.t' AND {moment} < $1", own)
            assert left[0][0] == 0, name
        table = (await retention.status())["tables"][0]
        assert (table["table"], table["days"]) == ("s.t", 2)


async def test_an_erased_entity_leaves_no_trace_and_others_are_untouched(settings: Settings) -> None:
    """In no table and in no answer, also of the keyframes built later; the audit says who, why and of what."""
    async with filled(settings) as w:
        keyframes = Keyframes(w.database)
        for shard_id in (1, 2, 3):
            await keyframes.build(shard_id, cutoff() + 2 * DAY)
        await w.fetch(
            "INSERT INTO dead_letter (shard_id, record_offset, record_timestamp, code, reason, record_value, "
            "table_name, entity_id) VALUES (3, 0, 0, 'X', 'x', 'secret-q0', 's.quiet', 'q0'), "
            "(3, 0, 0, 'X', 'x', 'y', 's.quiet', 'q1')"
        )
        before = await answers(w)
        positions = await w.fetch("SELECT shard_id, last_position FROM shard ORDER BY 1")
        epoch = (await w.fetch("SELECT epoch FROM history_epoch"))[0][0]
        assert await _traces(w, "secret-q0") != []
        erased = await Retention(w.database).erase("s.quiet", "q0", "asked by its owner", ACTOR)
        assert erased == {"events": 1, "keyframe_rows": 1, "dead_letters": 1, "open_answers": 0,
                          "replica_behind": False}  # fmt: skip
        assert await _traces(w, "secret-q0") == []
        after = await answers(w)
        for key, answer in before.items():
            kept = [line for line in answer.splitlines() if b'"entity_id":"q0"' not in line]
            assert after[key].splitlines() == kept
        assert (await w.fetch("SELECT epoch FROM history_epoch"))[0][0] == epoch + 1
        assert await w.fetch("SELECT shard_id, last_position FROM shard ORDER BY 1") == positions
        assert (await w.fetch("SELECT count(*) FROM dead_letter"))[0][0] == 1
        counted = await w.fetch("SELECT sum(changes)::int FROM activity")
        assert counted[0][0] == (await w.fetch("SELECT count(*) FROM cdc_event"))[0][0]
        noted = await w.fetch("SELECT action, subject, username, after::text AS after FROM audit")
        assert [tuple(row)[:3] for row in noted] == [("retention.erase", "s.quiet/q0", "root")]
        assert json.loads(noted[0]["after"])["reason"] == "asked by its owner"
        await keyframes.build(3, cutoff() + 3 * DAY)
        assert await _traces(w, "secret-q0") == []
        with pytest.raises(NotFound):
            await Retention(w.database).erase("s.quiet", "q0", "again", ACTOR)
        w.send({"id": "q0", "n": "anew"}, shard=Shard(QUIET, 0), ts_us=now())
        await w.flushed()
        assert [r["op"] for r in await w.fetch("SELECT op FROM cdc_event WHERE entity_id = 'q0'")] == ["c"]


async def _traces(w: World, text: str) -> list[str]:
    """Tables, partitions too, of which a row holds a text."""
    names = await w.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relkind = 'r'",
        w.settings.database_schema,
    )
    hexed = text.encode().hex()
    return [
        row[0]
        for row in names
        if (
            await w.fetch(
                f"SELECT count(*) FROM {row[0]} x WHERE x::text LIKE $1 OR x::text LIKE $2", f"%{text}%", f"%{hexed}%"
            )
        )[0][0]
    ]


async def test_an_answer_open_at_an_erasure_ends_as_it_began(settings: Settings) -> None:
    """It is said that it is open; who begins later does not see the entity."""
    async with filled(settings) as w:
        at = cutoff() + DAY
        pieces: list[bytes] = []
        async with w.replay.snapshot("t1", at) as snapshot:
            erased = await Retention(w.database, patience=0.2).erase("s.quiet", "q0", "why", ACTOR)
            assert erased["open_answers"] == 1
            assert b"secret-q0" not in await raw_state(w, "t1", at)
            await snapshot.state(StateQuery(at), at, _into(pieces))
        assert b"secret-q0" in b"".join(pieces)


async def test_a_run_is_begun_when_it_is_due_and_only_by_who_cleans_up(settings: Settings) -> None:
    async with filled(settings) as w:
        clock = [now() // DAY * DAY + HOUR]
        retention = Retention(w.database)

        def retainer(settings: Settings) -> Retainer:
            return Retainer(
                settings, retention, Retaining(settings, w.database, Keyframes(w.database)), lambda: clock[0]
            )

        async def run_count() -> int:
            return int((await w.fetch("SELECT count(*) FROM retention_run"))[0][0])

        idle = retainer(settings.model_copy(update={"cleanup_service_enabled": False}))
        busy = retainer(settings)
        await busy.tick()
        assert busy._task is None  # it is one o'clock, and due at three
        clock[0] += 3 * HOUR
        await idle.tick()
        assert idle._task is None
        with pytest.raises(Conflict, match="CLEANUP_SERVICE_ENABLED"):
            await idle.ask(ACTOR)
        await busy.tick()
        assert busy._task is not None
        await busy._task
        assert await run_count() == 1
        await w.fetch("UPDATE retention_run SET started_at = $1", clock[0])
        await busy.tick()
        assert await run_count() == 1
        await w.fetch("UPDATE retention_run SET state = 'running', touched_at = $1", clock[0])
        await busy.tick()
        assert await run_count() == 1
        clock[0] += 61 * SECOND
        await busy.tick()
        await busy._task
        assert await run_count() == 2
        assert await busy.ask(ACTOR) is not None
        assert (await retention.status())["last_run"]["username"] == "root"
        await busy.close()
