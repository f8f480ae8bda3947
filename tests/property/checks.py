"""What is in the database, and what is answered from it, held against the naive fold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import Any

import msgspec

from msr_stream.instants import MINUTE
from msr_stream.recording.progress import Shard
from msr_stream.replay import Filter
from msr_stream.store.snapshot import Snapshot
from tests.property.answers import State, check_diff, diff, events, folded, part_of, state
from tests.property.naive import Expected, first_seen, fold, state_at
from tests.property.rendering import Row
from tests.property.world import TENANTS, World

#: Dead letters that tell what they are: sent twice, they are kept once.
_IDENTIFIED = {"nul", "sequence", "too-long"}
_raw_row = msgspec.json.Decoder(dict[str, msgspec.Raw])

#: A shard's events and their effective times.
Timed = tuple[list[Expected], list[int]]


async def check_events(world: World) -> list[Timed]:
    """Every change once, in the order of the log, numbered without gap, complete, of the right tenant and time."""
    timed: list[Timed] = []
    for capture in world.captures.values():
        logs = world.recorded_items(capture)
        for log in logs.values():
            order = [item.index for item in first_seen(log)]
            assert order == sorted(order), "the generator is wrong: a log out of the source's order"
        for shard, expected in fold(logs).items():
            recorded = await _recorded(world, shard)
            _same_events(shard, expected, recorded)
            await _same_times(world, shard, expected, recorded, capture.sent_at)
            timed.append((expected, [row["event_timestamp"] for row in recorded]))
    return timed


async def check_dead_letters(world: World) -> None:
    """What cannot be recorded is kept: once if it says what it is, else at least once."""
    found = await world.base.connection.fetch(
        "SELECT topic, partition, record_value FROM dead_letter JOIN shard USING (shard_id)"
    )
    kept = Counter((Shard(row["topic"], row["partition"]), row["record_value"]) for row in found)
    expected = 0
    for shard, log in world.recorded_items(world.captures["d"]).items():
        serials: dict[str, list[str]] = {}
        for item in log:
            if item.poison:
                serials.setdefault(item.row["serial"] if item.row else "", []).append(item.kind)
        for serial, kinds in serials.items():
            mark = re.compile(rf'"serial"\s*:\s*{serial},'.encode())
            copies = sum(number for (where, value), number in kept.items() if where == shard and mark.search(value))
            most = 1 if kinds[0] in _IDENTIFIED else len(kinds)
            assert 1 <= copies <= most, (
                f"dead letter {kinds[0]} of {shard} kept {copies} times, sent {len(kinds)} times"
            )
            expected += copies
    assert expected == len(found), f"dead letters that nobody expected: {found}"


async def check_answers(world: World, timed: Sequence[Timed]) -> None:
    """States equal the fold at any instant; states and events fit together; earlier answers are given again."""
    random = Random(len(timed[0][0]))
    times = sorted({time for _, found in timed for time in found})
    chosen = sorted(random.sample(times, min(5, len(times))))
    instants = {time + step for time in chosen for step in (-1, 0, 1)} | {kept.at for kept in world.kept}
    for tenant in TENANTS:
        async with world.replay.snapshot(tenant, None) as snapshot:
            states = {at: await state(snapshot, at) for at in sorted(instants)}
            for at, found in states.items():
                expected = state_at(timed, tenant, at)
                assert {entity: (op, row) for entity, (op, _, row) in found.items()} == expected, (
                    f"the state of {tenant} at {at}"
                )
            for kept in world.kept:
                if kept.tenant == tenant:
                    assert states[kept.at] == kept.state, f"{tenant} at {kept.at} was answered differently before"
                    for start, window in kept.events.items():
                        assert await events(snapshot, start, kept.at) == window, f"events ({start}, {kept.at}] differ"
            kept_states = [(kept.at, kept.state) for kept in world.kept if kept.tenant == tenant]
            for _ in range(4):
                start, before = random.choice([*states.items(), *kept_states])
                end = random.choice([at for at in states if at >= start])
                window = await events(snapshot, start, end)
                assert window == sorted(window, key=lambda event: event.time)
                assert folded(before, window) == states[end], f"{tenant}: state({start}) + events up to {end}"
                check_diff(await diff(snapshot, start, end), before, states[end])
                await _check_part(snapshot, random, (start, before), (end, states[end]))


async def _check_part(snapshot: Snapshot, random: Random, first: tuple[int, State], last: tuple[int, State]) -> None:
    """Of some tables, entities and columns the same holds as of the whole, value by value; unknown names do no harm."""
    (start, before), (end, after) = first, last
    tables = sorted({table for table, _ in (*before, *after)})
    fields = sorted({name for _, _, row in (*before.values(), *after.values()) for name in row})
    entities = sorted({*before, *after})
    some = random.sample(entities, random.randint(1, len(entities))) if entities else []
    chosen = Filter(
        entities=random.choice(((), (("no.such", "1"), *some))),
        only=("no.such", *random.sample(tables, random.randint(0, len(tables)))),
        fields=("no such", *random.sample(fields, random.randint(0, min(3, len(fields))))),
    )
    found = await state(snapshot, start, chosen)
    assert found == part_of(before, chosen), f"the state at {start} with {chosen}"
    window = await events(snapshot, start, end, chosen)
    assert folded(found, window) == part_of(after, chosen), f"state({start}) + events up to {end} with {chosen}"
    differences = await diff(snapshot, start, end, chosen)
    check_diff(differences, _of_tables(before, chosen.only), _of_tables(after, chosen.only), chosen.fields)


def _of_tables(state: State, tables: Sequence[str]) -> State:
    return {entity: row for entity, row in state.items() if entity[0] in tables}


async def _recorded(world: World, shard: Shard) -> list[Any]:
    found: list[Any] = await world.base.connection.fetch(
        "SELECT e.* FROM cdc_event e JOIN shard USING (shard_id) WHERE topic = $1 AND partition = $2 ORDER BY position",
        *shard,
    )
    return found


def _same_events(shard: Shard, expected: Sequence[Expected], recorded: Sequence[Any]) -> None:
    assert [row["position"] for row in recorded] == list(range(1, len(recorded) + 1))
    wanted = [(e.op, e.table, e.entity_id, e.tenant, *_numbers(e), sorted(e.unavailable), e.state) for e in expected]
    found = [
        (row["op"], row["table_name"], row["entity_id"], row["tenant_id"],
         row["event_timestamp"] if row["source_timestamp"] is None else row["source_timestamp"],
         row["source_lsn"], row["source_txid"], sorted(row["unavailable_fields"] or []), _row(row["entity_state"]))
        for row in recorded
    ]  # fmt: skip
    for number, (one, other) in enumerate(zip(wanted, found, strict=False), 1):
        assert one == other, f"{shard}, position {number}: expected\n{one}, recorded\n{other}"
    assert len(wanted) == len(found), f"{shard}: expected {len(wanted)} events:\n{wanted}\nrecorded:\n{found}"


def _numbers(expected: Expected) -> tuple[int, int | None, int | None]:
    """Source time, log number, transaction, as far as they are recorded."""
    item = expected.item
    streamed = item.kind != "r" and not item.shard.topic.startswith("g.")
    return item.time, item.lsn if streamed else None, item.txid if streamed else None


def _row(text: str | None) -> Row | None:
    return None if text is None else {name: bytes(raw).decode() for name, raw in _raw_row.decode(text).items()}


async def _same_times(
    world: World, shard: Shard, expected: Sequence[Expected], recorded: Sequence[Any], sent_at: dict[int, int]
) -> None:
    """Effective times are exactly those of invariant 5, from the log of the shard's progress."""
    steps = await world.base.connection.fetch(
        "SELECT l.* FROM shard_log l JOIN shard USING (shard_id) WHERE topic = $1 AND partition = $2 "
        "ORDER BY l.version",
        *shard,
    )
    end = world.clock.now
    done, floor = 0, -(2**62)
    for before, step in pairwise(steps):
        assert before["settled_until"] is None or before["settled_until"] <= step["settled_until"], "settled: lowered"
        if before["settled_until"] is not None:
            floor = max(floor, before["settled_until"] + 1)
        for number in range(done, step["last_position"]):
            source_time, first = expected[number].item.time, sent_at[expected[number].item.index]
            time = recorded[number]["event_timestamp"]
            as_it_was, lowered = (
                time == max(floor, source_time),
                time == floor or (time >= max(floor, first) and time in world.clock.seen),
            )
            allowed = (source_time <= end + MINUTE and as_it_was) or (source_time > first + MINUTE and lowered)
            assert allowed, (
                f"{shard}, position {number + 1}: source time {source_time}, floor {floor}, sent at {first}, "
                f"recorded at {time}"
            )
            floor = time
        done = step["last_position"]
    assert done == len(recorded)
