"""How an answer is read: what shares a statement, and what its conditions are."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from msr_stream.instants import DAY, FIRST, MINUTE
from msr_stream.replay import Filter
from msr_stream.store.filters import kept
from msr_stream.store.planning import Part, Slice, Slices, events_statement, state_statements

NOON = 1_795_348_800_000_000


def part(shard_id: int, rows: int, *, keyframe: bool = True) -> Part:
    if keyframe:
        return Part(shard_id, 100 + shard_id, 5, NOON - DAY, rows)
    return Part(shard_id, 0, 0, FIRST, rows)


def test_small_shards_share_a_statement_and_big_ones_have_their_own() -> None:
    found = [part(number, 10 if number % 10 else 1_000_000) for number in range(1, 101)]
    statements = list(state_statements(found, NOON, "t1"))
    named = [sorted(map(int, set(re.findall(r"shard_id = (\d+)", statement)))) for statement in statements]
    assert sorted(number for group in named for number in group) == list(range(1, 101))
    assert [len(group) for group in named] == [32, 32, 26] + [1] * 10


def test_a_shard_without_keyframe_is_read_from_its_beginning() -> None:
    (statement,) = state_statements([part(1, 10, keyframe=False)], NOON, "t1")
    assert "FROM v_keyframe WHERE false AND false" in statement
    assert "event_timestamp > '0001-01-01T00:00:00.000000Z'::timestamptz" in statement


@pytest.mark.parametrize("rows", [10, 1_000_000])
def test_nothing_is_left_to_fill_in_and_the_tenant_is_quoted(rows: int) -> None:
    """No parameters and no placeholders; a tenant's name ends no literal."""
    statements = [*state_statements([part(1, rows)], NOON, "o'x"), events_statement([1, 2], NOON, NOON + 1, "o'x")]
    for statement in statements:
        assert re.search(r"\$\d|\{", statement.replace("',{\"entity_id\":'", "")) is None
        assert "tenant_id = 'o''x'" in statement


def test_a_filter_is_a_condition() -> None:
    assert kept(Filter()) == "true"
    assert kept(Filter(("s.t", "s.'u"), NOON)) == (
        "NOT (table_name = ANY (ARRAY['s.t', 's.''u']::text[]) "
        "AND event_timestamp < '2026-11-22T12:00:00.000000Z'::timestamptz)"
    )


def test_without_a_filter_the_statements_are_what_they_were() -> None:
    """What is asked most must not become slower: the row is concatenated, no condition is added."""
    for statement in (*state_statements([part(1, 10), part(2, 5000)], NOON, "t1"), events_statement([1], 1, 2, "t1")):
        assert "coalesce(entity_state, 'null')" in statement
        assert "json_each" not in statement
        assert "table_name = ANY" not in statement
        assert "entity_id) IN" not in statement


@pytest.mark.parametrize("rows", [10, 5000])
def test_only_the_tables_asked_for_are_read_from_keyframes_and_events(rows: int) -> None:
    """The condition holds for all shards of a statement, and is below the choice of each entity's last event."""
    chosen = Filter(only=("s.t", "s.'u"))
    (statement,) = state_statements([part(1, rows)], NOON, "t1", chosen)
    condition = "AND table_name = ANY (ARRAY['s.t', 's.''u']::text[])"
    scans = re.findall(r"FROM v_(?:keyframe(?: k)?|cdc_event)\s+WHERE (.*)", statement)
    assert len(scans) == (2 if rows < 2000 else 3)
    assert all(re.match(r"\(*.*\)\)?" + re.escape(f" {condition}"), scan) for scan in scans)
    assert condition in events_statement([1, 2], 1, 2, "t1", chosen)


@pytest.mark.parametrize("rows", [10, 5000])
def test_only_the_entities_asked_for_are_read_from_keyframes_and_events(rows: int) -> None:
    chosen = Filter(entities=(("s.t", "7"), ("s.u", "o'x")))
    (statement,) = state_statements([part(1, rows)], NOON, "t1", chosen)
    condition = "AND (table_name, entity_id) IN (('s.t', '7'), ('s.u', 'o''x'))"
    scans = re.findall(r"FROM v_(?:keyframe(?: k)?|cdc_event)\s+WHERE (.*)", statement)
    assert len(scans) == (2 if rows < 2000 else 3)
    assert all(condition in scan for scan in scans)
    assert condition in events_statement([1, 2], 1, 2, "t1", chosen)


def test_no_name_of_a_field_gets_into_a_statement() -> None:
    """They are cut out of what was read."""
    chosen = Filter(fields=("a", "o'x", "{row}"))
    assert events_statement([1], 1, 2, "t1", chosen) == events_statement([1], 1, 2, "t1")


def test_slices_grow_where_little_comes_and_shrink_where_much_does() -> None:
    slices = Slices(0, 365 * DAY)

    def lengths(*sizes: int) -> Iterator[int]:
        for size in sizes:
            found = slices.take()
            assert found is not None
            slices.brought(found, size)
            yield found.end - found.start

    first, second, third, fourth, fifth = lengths(0, 16 << 20, 64 << 20, 16 << 20, 1 << 40)
    assert MINUTE <= first < second == third
    assert fourth == fifth < third


def test_slices_are_the_window_without_gap_or_overlap_also_when_two_are_read_at_a_time() -> None:
    slices = Slices(10, 10 + 7 * DAY)
    found: list[Slice] = []
    while two := [one for one in (slices.take(), slices.take()) if one is not None]:
        found += two
        for one in reversed(two):
            slices.brought(one, 0)
    assert found[0].start == 10
    assert [one.start for one in found[1:]] == [one.end for one in found[:-1]]
    assert found[-1].end == 10 + 7 * DAY
    assert not slices.left
    assert len(found) < 20, "a week without events is a handful of slices"


def test_a_slice_that_brings_much_makes_reading_ahead_worth_while() -> None:
    slices = Slices(0, DAY)
    for size, large in ((1 << 10, False), (9 << 20, True), (0, True)):
        found = slices.take()
        assert found is not None
        slices.brought(found, size)
        assert slices.large is large
