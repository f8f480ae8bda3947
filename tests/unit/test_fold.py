"""Changes to events: times that never run back, tenants followed, states completed (design, invariants 5 and 6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from msr_stream.instants import MINUTE, SECOND
from msr_stream.recording.cache import Entity, EntityCache, Known
from msr_stream.recording.completion import complete_states, missing_states
from msr_stream.recording.event import OldKey, OldState, Recalled
from msr_stream.recording.fold import Folded, fold
from msr_stream.recording.progress import Progress
from msr_stream.recording.survey import first_waiting, survey
from msr_stream.records.change import Change
from tests.unit.building import NOON, change, streamed

UNAVAILABLE = "__debezium_unavailable_value"
TOASTED = f'{{"n":2,"body":"{UNAVAILABLE}"}}'


def _folded(
    changes: Iterable[Change],
    recalled: Mapping[str, Recalled] | None = None,
    *,
    progress: Progress | None = None,
    cache: EntityCache | None = None,
    old: Mapping[OldKey, OldState] | None = None,
    now: int = NOON + SECOND,
) -> Folded:
    """What the deriver does, with a dict for the database; a state is only there where it was asked for."""
    run = list(changes)
    database = {("s.t", entity): last for entity, last in (recalled or {}).items()}
    surveyed = survey(run, cache or EntityCache(100, complete=False))
    found = _asked(database, surveyed.needs)
    folded = fold(run, progress or Progress(1), surveyed, found, now)
    found |= _asked(database, dict.fromkeys(missing_states(folded.events, found, surveyed), True))
    complete_states(folded.events, found, old or {})
    return folded


def _asked(database: Mapping[Entity, Recalled], needs: Mapping[Entity, bool]) -> dict[Entity, Recalled]:
    return {
        entity: database[entity] if wanted else database[entity]._replace(state=None)
        for entity, wanted in needs.items()
        if entity in database
    }


def _last(op: str = "u", state: str | None = '{"n":0}', tenant: str | None = None, *unavailable: str) -> Recalled:
    return Recalled(op, tenant, state.encode() if state is not None else None, list(unavailable), NOON - SECOND)


def _ops(folded: Folded) -> list[tuple[str, str | None, bytes | None]]:
    return [(event.op, event.tenant, event.state) for event in folded.events]


def _times(folded: Folded) -> list[int]:
    return [event.time for event in folded.events]


# Positions and effective times


def test_positions_go_on_without_a_gap() -> None:
    folded = _folded([streamed(str(n)) for n in range(3)], progress=Progress(1, last_position=41))
    assert [event.position for event in folded.events] == [42, 43, 44]


def test_an_event_is_as_late_as_its_commit() -> None:
    assert _times(_folded([streamed("1", source_time=NOON - 5), streamed("2")])) == [NOON - 5, NOON]


def test_an_event_is_never_before_its_predecessor() -> None:
    changes = [streamed("1"), streamed("2", source_time=NOON - 5), streamed("3", source_time=NOON + 1)]
    assert _times(_folded(changes)) == [NOON, NOON, NOON + 1]


def test_the_predecessor_may_be_the_last_event_of_the_run_before() -> None:
    assert _times(_folded([streamed("1")], progress=Progress(1, last_effective=NOON + 7))) == [NOON + 7]


def test_an_event_is_never_at_or_before_what_is_settled() -> None:
    progress = Progress(1, last_effective=NOON - 5, settled_until=NOON + 3)
    assert _times(_folded([streamed("1"), streamed("2", source_time=NOON + 9)], progress=progress)) == [
        NOON + 4,
        NOON + 9,
    ]


def test_a_time_more_than_a_minute_ahead_is_now() -> None:
    far, near = streamed("1", source_time=NOON + MINUTE + 1), streamed("2", source_time=NOON + MINUTE)
    assert _times(_folded([far], now=NOON)) == [NOON]
    assert _times(_folded([near], now=NOON)) == [NOON + MINUTE]


def test_a_time_of_the_far_future_does_not_lift_what_comes_after_it() -> None:
    changes = [streamed("1", source_time=NOON + 10**15), streamed("2", source_time=NOON + 5)]
    assert _times(_folded(changes, now=NOON)) == [NOON, NOON + 5]


def test_the_sources_own_time_is_kept() -> None:
    folded = _folded([streamed("1", source_time=NOON + 10**15)], now=NOON)
    assert folded.events[0].change.source_time == NOON + 10**15


def test_both_halves_of_a_tenant_change_have_one_time_and_two_positions() -> None:
    folded = _folded([streamed("1", tenant="t2")], {"1": _last(tenant="t1")})
    assert [(event.time, event.position) for event in folded.events] == [(NOON, 1), (NOON, 2)]


# Tenants


def test_a_change_of_tenant_is_a_delete_for_the_one_and_a_create_for_the_other() -> None:
    folded = _folded([streamed("1", "u", tenant="t2")], {"1": _last(tenant="t1", state='{"n":0}')})
    assert _ops(folded) == [("d", "t1", b'{"n":0}'), ("c", "t2", b'{"n":1}')]
    assert folded.live_delta == 0
    assert folded.known == {("s.t", "1"): Known(live=True, tenant="t2")}


@pytest.mark.parametrize(("before", "after"), [("t1", None), (None, "t1"), ("t1", ""), ("", "t1"), (None, "")])
def test_a_row_that_becomes_shared_or_nobodys_changes_its_tenant_too(before: str | None, after: str | None) -> None:
    folded = _folded([streamed("1", tenant=after)], {"1": _last(tenant=before)})
    assert [(event.op, event.tenant) for event in folded.events] == [("d", before), ("c", after)]


def test_a_change_of_tenant_known_from_the_cache_still_has_the_last_state_in_its_delete() -> None:
    cache = EntityCache(10, complete=False)
    cache.put(("s.t", "1"), Known(live=True, tenant="t1"))
    folded = _folded([streamed("1", tenant="t2")], {"1": _last(tenant="t1")}, cache=cache)
    assert _ops(folded) == [("d", "t1", b'{"n":0}'), ("c", "t2", b'{"n":1}')]


def test_a_change_of_tenant_within_a_run_takes_the_state_from_the_run() -> None:
    folded = _folded([streamed("1", "c", tenant="t1"), streamed("1", tenant="t2", state='{"n":5}')])
    assert _ops(folded) == [("c", "t1", b'{"n":1}'), ("d", "t1", b'{"n":1}'), ("c", "t2", b'{"n":5}')]


def test_a_change_of_tenant_with_a_placeholder_is_completed_on_both_sides() -> None:
    moved = streamed("1", tenant="t2", state=TOASTED, incomplete=True)
    folded = _folded([moved], {"1": _last(tenant="t1", state='{"n":0,"body":"large"}')})
    assert _ops(folded) == [("d", "t1", b'{"n":0,"body":"large"}'), ("c", "t2", b'{"n":2,"body":"large"}')]


def test_an_entity_made_again_for_another_tenant_did_not_move() -> None:
    folded = _folded([streamed("1", "c", tenant="t2")], {"1": _last("d", tenant="t1")})
    assert [(event.op, event.tenant) for event in folded.events] == [("c", "t2")]
    assert folded.live_delta == 1


def test_a_snapshot_read_of_a_moved_row_is_a_move() -> None:
    folded = _folded([change("1", "r", tenant="t2")], {"1": _last(tenant="t1")})
    assert [(event.op, event.tenant) for event in folded.events] == [("d", "t1"), ("c", "t2")]


# Deletes


def test_a_delete_takes_tenant_and_state_from_what_is_recorded() -> None:
    bare = streamed("1", "d", state='{"n":null}', tenant="")
    folded = _folded([bare], {"1": _last(tenant="t1", state='{"n":7}')})
    assert _ops(folded) == [("d", "t1", b'{"n":7}')]
    assert folded.live_delta == -1


def test_a_delete_within_the_run_takes_them_from_the_run() -> None:
    folded = _folded([streamed("1", "c", tenant="t1"), streamed("1", "d", state=None)])
    assert _ops(folded)[-1] == ("d", "t1", b'{"n":1}')


def test_a_delete_of_what_was_never_recorded_has_the_row_that_was_sent() -> None:
    assert _ops(_folded([streamed("1", "d", state='{"n":3}', tenant="t9")])) == [("d", "t9", b'{"n":3}')]


def test_a_second_delete_is_an_event_and_nobody_dies_twice() -> None:
    folded = _folded([streamed("1", "d"), streamed("1", "d")], {"1": _last(tenant="t1")})
    assert len(folded.events) == 2
    assert folded.live_delta == -1


def test_an_entity_deleted_and_made_again_lives() -> None:
    folded = _folded([streamed("1", "d"), streamed("1", "c")], {"1": _last()})
    assert folded.live_delta == 0
    assert folded.known[("s.t", "1")].live


def _tombstone(entity: str) -> Change:
    return change(entity, "d", None, tombstone=True)


def test_a_tombstone_deletes_a_live_entity_with_its_last_state() -> None:
    folded = _folded([_tombstone("1")], {"1": _last(tenant="t1", state='{"n":7}')})
    assert _ops(folded) == [("d", "t1", b'{"n":7}')]


@pytest.mark.parametrize("last", [None, _last("d")])
def test_a_tombstone_of_what_does_not_live_is_no_event(last: Recalled | None) -> None:
    folded = _folded([_tombstone("1"), streamed("2")], {"1": last} if last else {})
    assert [(event.change.entity_id, event.position) for event in folded.events] == [("2", 1)]


def test_a_tombstone_within_the_run_deletes_what_the_run_made() -> None:
    folded = _folded([streamed("1", "c"), _tombstone("1"), _tombstone("1")])
    assert [event.op for event in folded.events] == ["c", "d"]


def test_what_follows_a_tombstone_that_was_left_out_still_finds_the_last_state() -> None:
    folded = _folded([_tombstone("1"), streamed("1", "d", state=None)], {"1": _last("d", '{"n":7}', "t1")})
    assert _ops(folded) == [("d", "t1", b'{"n":7}')]


def _resent(entity: str, follows: int) -> Change:
    """A tombstone after the copy of the record with this lsn."""
    return change(entity, "d", None, tombstone=True, follows=follows)


def test_a_tombstone_after_the_copy_of_the_entitys_last_event_is_a_delete_of_its_own() -> None:
    """`ExtractNewRecordState` sends nothing but a tombstone for a delete unless it is told to rewrite it."""
    assert _ops(_folded([_resent("1", 5)], {"1": _last()._replace(lsn=5)})) == [("d", None, b'{"n":0}')]
    assert len(_folded([streamed("1", "u", (5, 5)), _resent("1", 5)]).events) == 2


def test_a_tombstone_after_an_older_copy_does_not_delete_what_was_made_again() -> None:
    assert _folded([_resent("1", 5)], {"1": _last("c")._replace(lsn=6)}).events == []
    assert len(_folded([streamed("1", "c", (6, 6)), _resent("1", 5)]).events) == 1


# Values that were not sent


def test_an_unchanged_large_value_comes_from_the_last_recorded_state() -> None:
    folded = _folded([streamed("1", state=TOASTED, incomplete=True)], {"1": _last(state='{"n":0,"body":"large"}')})
    assert folded.events[0].state == b'{"n":2,"body":"large"}'
    assert folded.events[0].unavailable is None


def test_it_comes_from_the_run_where_the_run_has_it() -> None:
    changes = [
        streamed("1", "u", state='{"n":1,"body":"newer"}'),
        streamed("1", state=TOASTED, incomplete=True),
        streamed("1", state=TOASTED, incomplete=True),
        streamed("1", "d", state=None),
    ]
    folded = _folded(changes, {"1": _last(state='{"n":0,"body":"older"}')})
    assert [event.state for event in folded.events[1:]] == [b'{"n":2,"body":"newer"}'] * 3


def test_what_nobody_knows_is_named_unavailable_as_long_as_nobody_sends_it() -> None:
    changes = [
        streamed("1", state=TOASTED, incomplete=True),
        streamed("1", state=TOASTED, incomplete=True),
        streamed("1", "d", state=None),
        streamed("1", "c", state='{"n":9,"body":"sent"}'),
    ]
    folded = _folded(changes)
    assert [event.unavailable for event in folded.events] == [["body"], ["body"], ["body"], None]
    assert [event.state for event in folded.events[:3]] == [b'{"n":2,"body":null}'] * 3


def test_what_was_recorded_as_unavailable_stays_so() -> None:
    last = _last("u", '{"n":0,"body":null}', None, "body")
    folded = _folded([streamed("1", state=TOASTED, incomplete=True)], {"1": last})
    assert folded.events[0].unavailable == ["body"]


def test_a_mention_of_the_placeholder_is_not_unavailable() -> None:
    state = f'{{"note":"about {UNAVAILABLE}"}}'
    folded = _folded([streamed("1", state=state, incomplete=True)])
    assert folded.events[0].state == state.encode()
    assert folded.events[0].unavailable is None


def _key_change(old: str, new: str, number: int = 5) -> list[Change]:
    return [
        streamed(old, "d", (number, number), state=None, offset=10),
        streamed(new, "c", (number, number), state=TOASTED, incomplete=True, old_entity=old, offset=11),
    ]


def test_a_key_change_is_completed_from_the_old_entity_of_the_same_run() -> None:
    folded = _folded(_key_change("1", "2"), {"1": _last(state='{"n":0,"body":"large"}')})
    assert [event.state for event in folded.events] == [b'{"n":0,"body":"large"}', b'{"n":2,"body":"large"}']


def test_a_key_change_is_completed_from_another_shard() -> None:
    old: dict[OldKey, OldState] = {("s.t", "1", 11): (b'{"body":"elsewhere"}', [])}
    folded = _folded(_key_change("1", "2")[1:], old=old)
    assert folded.events[0].state == b'{"n":2,"body":"elsewhere"}'


def test_what_was_unavailable_under_the_old_key_is_so_under_the_new_one() -> None:
    old: dict[OldKey, OldState] = {("s.t", "1", 11): (b'{"body":null}', ["body"])}
    folded = _folded(_key_change("1", "2")[1:], old=old)
    assert folded.events[0].unavailable == ["body"]


def test_a_key_change_whose_old_entity_nobody_knows_is_named_unavailable() -> None:
    folded = _folded(_key_change("1", "2")[1:], old={("s.t", "1", 11): (None, [])})
    assert folded.events[0].unavailable == ["body"]


def test_two_keys_that_swap_keep_their_values() -> None:
    run = [*_key_change("1", "tmp", 5), *_key_change("2", "1", 6), *_key_change("tmp", "2", 7)]
    known = {"1": _last(state='{"n":0,"body":"one"}'), "2": _last(state='{"n":0,"body":"two"}')}
    folded = _folded(run, known)
    bodies = {event.change.entity_id: event.state for event in folded.events if event.op == "c"}
    assert bodies == {"tmp": b'{"n":2,"body":"one"}', "1": b'{"n":2,"body":"two"}', "2": b'{"n":2,"body":"one"}'}


def test_a_change_waits_for_an_old_entity_of_another_shard_only() -> None:
    delete, create = _key_change("1", "2")
    assert first_waiting([delete, create], {}) is None
    assert first_waiting([streamed("9"), create], {}) == 1
    assert first_waiting([create], {("s.t", "1", 11): (None, [])}) is None


def test_an_earlier_delete_of_the_old_key_is_not_the_one_that_is_waited_for() -> None:
    create = _key_change("1", "2", 6)[1]
    assert first_waiting([streamed("1", "d", (5, 5)), create], {}) == 1


def test_a_complete_state_waits_for_nobody() -> None:
    whole = streamed("2", "c", (5, 5), old_entity="1")
    assert first_waiting([whole], {}) is None


# What has no number


def test_an_identical_neighbour_without_an_lsn_is_a_copy() -> None:
    folded = _folded([change("1"), change("1"), change("1", state='{"n":2}')])
    assert [event.state for event in folded.events] == [b'{"n":1}', b'{"n":2}']
    assert folded.copies == 1


def test_an_identical_neighbour_of_an_earlier_run_is_a_copy() -> None:
    last = Recalled("u", None, b'{"n":1}', [], NOON)
    assert _folded([change("1")], {"1": last}).copies == 1
    assert _folded([change("1", "d", None)], {"1": last._replace(op="d")}).copies == 1


@pytest.mark.parametrize(
    "other", [change("1", source_time=NOON + 1), change("1", "d"), change("1", state='{"n":2}'), change("2")]
)
def test_a_neighbour_that_differs_is_new(other: Change) -> None:
    assert _folded([change("1"), other]).copies == 0


def test_the_same_change_after_another_one_is_new() -> None:
    folded = _folded([change("1"), change("1", state='{"n":2}'), change("1")])
    assert (len(folded.events), folded.copies) == (3, 0)


def test_snapshot_reads_are_no_copies() -> None:
    assert len(_folded([change("1", "r"), change("1", "r")]).events) == 2


def test_numbered_changes_are_no_copies() -> None:
    assert len(_folded([streamed("1"), streamed("1")]).events) == 2


def test_a_resent_change_of_tenant_without_an_lsn_is_a_copy() -> None:
    moved = change("1", "u", tenant="t2")
    assert len(_folded([moved, moved], {"1": _last(tenant="t1")}).events) == 2


def test_a_resent_change_with_a_placeholder_and_without_an_lsn_is_a_copy() -> None:
    sent = change("1", state=TOASTED, incomplete=True)
    stored = Recalled("u", None, b'{"n":2,"body":"large"}', [], NOON)
    assert _folded([sent], {"1": stored}).copies == 1


# What is looked up


def test_a_complete_update_of_a_known_entity_needs_no_look_up() -> None:
    cache = EntityCache(10, complete=False)
    cache.put(("s.t", "1"), Known(live=True, tenant=None))
    assert survey([streamed("1"), streamed("1")], cache).needs == {}


def test_an_unknown_entity_is_looked_up_without_its_state() -> None:
    assert survey([streamed("1")], EntityCache(10, complete=False)).needs == {("s.t", "1"): False}


@pytest.mark.parametrize(
    "one", [streamed("1", "d"), streamed("1", state=TOASTED, incomplete=True), _tombstone("1"), change("1")]
)
def test_what_its_last_state_completes_is_looked_up_with_it(one: Change) -> None:
    assert survey([one], EntityCache(10, complete=False)).needs == {("s.t", "1"): True}


@pytest.mark.parametrize("one", [streamed("1"), streamed("1", "d"), streamed("1", state=TOASTED, incomplete=True)])
def test_in_an_empty_shard_nothing_is_looked_up(one: Change) -> None:
    assert survey([one], EntityCache(10, complete=True)).needs == {}
    assert len(_folded([one], cache=EntityCache(10, complete=True)).events) == 1
