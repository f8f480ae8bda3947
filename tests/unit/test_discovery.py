"""Which of the broker's topics are recorded."""

from __future__ import annotations

from typing import Any

import pytest

from msr_stream.discovery import cdc_topics
from msr_stream.settings import Settings


def _found(required: dict[str, str], *names: str, **given: Any) -> set[str]:
    settings = Settings.model_validate({**{name.lower(): value for name, value in required.items()}, **given})
    return set(cdc_topics(dict.fromkeys(names, 1), settings))


@pytest.mark.parametrize("name", ["aoh.cpos.track", "a.b.c", "eu.aoh.cpos.track", "aoh.my_schema.my-table", "x1._s._t"])
def test_topics_of_source_tables_are_recorded(required: dict[str, str], name: str) -> None:
    assert _found(required, name) == {name}


@pytest.mark.parametrize(
    "name",
    [
        "__consumer_offsets", "__debezium-heartbeat.aoh", "__debezium-heartbeat.eu.aoh", "_schemas", "connect-configs",
        "aoh.transaction", "msr.debezium_adhoc_snapshots", "msr.dead_letter", "msr.notifications", "orders", "a.b",
        "msr-sessions-changelog", "msr-a.b.c", "msr-x.y.z-changelog", "a..c",
    ],
)  # fmt: skip
def test_everything_else_is_left_alone(required: dict[str, str], name: str) -> None:
    assert _found(required, name) == set()


def test_a_topic_has_its_number_of_partitions(required: dict[str, str]) -> None:
    settings = Settings.model_validate({name.lower(): value for name, value in required.items()})
    topics = {"aoh.s.t": 4, "aoh.message": 1, "other": 9}
    assert cdc_topics(topics, settings) == {"aoh.s.t": 4, "aoh.message": 1}


def test_a_sources_messages_are_read_once_it_has_a_table(required: dict[str, str]) -> None:
    assert _found(required, "aoh.message", "flat.s.t") == {"flat.s.t"}
    assert _found(required, "aoh.message", "aoh.s.t") == {"aoh.message", "aoh.s.t"}


def test_the_pattern_must_match_the_whole_name(required: dict[str, str]) -> None:
    names = ("aoh.s.t", "xaoh.s.t", "aoh.s.tx")
    assert _found(required, *names, cdc_topics=r"aoh\.s\.t") == {"aoh.s.t"}


def test_topics_of_our_own_are_never_recorded_whatever_they_are_called(required: dict[str, str]) -> None:
    names = ("a.dead.letter", "a.signal.topic", "rec.s.t", "rec-a.b.c")
    given = {"dead_letter_topic": "a.dead.letter", "signal_topic": "a.signal.topic", "app_id": "rec"}
    assert _found(required, *names, **given) == {"rec.s.t"}


def test_a_prefix_with_a_dot_has_its_messages_read(required: dict[str, str]) -> None:
    assert _found(required, "eu.aoh.s.t", "eu.aoh.message") == {"eu.aoh.s.t", "eu.aoh.message"}


def test_a_prefix_with_a_dot_does_not_make_its_transactions_a_table(required: dict[str, str]) -> None:
    assert _found(required, "eu.aoh.s.t", "eu.aoh.transaction") == {"eu.aoh.s.t"}
