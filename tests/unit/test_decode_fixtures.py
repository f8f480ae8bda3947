"""What Debezium really sent, record by record, decoded to the change it is.

`tests/fixtures/expected/*.jsonl` says what each record is; it was derived by `naive.py`, not by the decoder.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest

from msr_stream.discovery import cdc_topics
from msr_stream.records.change import Change, Command, DeadLetter, Decoded, Marker
from msr_stream.records.decode import Decoder
from msr_stream.settings import Settings
from tests.unit import naive
from tests.unit.building import captured, fixture, parsed


def _partitions(name: str) -> dict[str, int]:
    partitions: dict[str, int] = defaultdict(lambda: 1)
    for line in captured(name):
        partitions[line["topic"]] = max(partitions[line["topic"]], line["partition"] + 1)
    return partitions


def _decoded(name: str) -> dict[str, Decoded]:
    partitions = _partitions(name)
    return {
        f"{topic}/{partition}/{record.offset}": Decoder(topic, partitions[topic]).decode(record)
        for topic, partition, record in fixture(name)
    }


def _as_row(at: str, decoded: Decoded) -> dict[str, Any]:
    says: dict[str, Any] = {"at": at}
    if decoded is None:
        says |= {"kind": "nothing"}
    elif isinstance(decoded, Marker):
        says |= {"kind": "marker", "source": decoded.source, "time": decoded.instant}
    elif isinstance(decoded, DeadLetter):
        says |= {"kind": "dead letter", "code": decoded.code}
    elif isinstance(decoded, Command):
        says |= {
            "kind": "command", "table": decoded.table_name, "time": decoded.source_time, "lsn": decoded.lsn,
            "txid": decoded.txid, "commit_lsn": decoded.commit_lsn,
            "sequence": list(decoded.sequence) if decoded.sequence else None,
        }  # fmt: skip
    else:
        says |= {
            "kind": "change", "op": decoded.op, "table": decoded.table_name, "entity": decoded.entity_id,
            "time": decoded.source_time, "tenant": decoded.tenant, "lsn": decoded.lsn, "txid": decoded.txid,
            "commit_lsn": decoded.commit_lsn, "old": decoded.old_entity, "incomplete": decoded.incomplete,
            "sequence": list(decoded.sequence) if decoded.sequence else None, "tombstone": decoded.tombstone,
            "state_bytes": len(decoded.state) if decoded.state is not None else None,
        }  # fmt: skip
    return {name: value for name, value in says.items() if value not in (None, False)}


def _change(capture: str, at: str) -> Change:
    decoded = _decoded(capture)[at]
    assert isinstance(decoded, Change)
    return decoded


@pytest.mark.parametrize("name", naive.CAPTURES)
def test_every_record_decodes_to_the_change_in_the_table(name: str) -> None:
    decoded = _decoded(name)
    table = naive.table(name)
    assert [_as_row(row["at"], decoded[row["at"]]) for row in table] == table


@pytest.mark.parametrize("name", naive.CAPTURES)
def test_the_table_is_what_a_plain_reading_of_the_records_says(name: str) -> None:
    lines = [line for line in captured(name) if line["topic"] != "msr.notifications"]
    assert [naive.expected(line) for line in lines] == naive.table(name)


@pytest.mark.parametrize("name", naive.CAPTURES)
def test_every_row_is_carried_byte_for_byte(name: str) -> None:
    partitions = _partitions(name)
    for line in captured(name):
        topic, _, record = parsed(line)
        decoded = Decoder(topic, partitions[topic]).decode(record)
        if isinstance(decoded, Change):
            text = naive.state_text(line)
            assert decoded.state == (None if text is None else text.encode()), f"{topic} {record.offset}"


def test_notifications_are_no_cdc_topic(required: dict[str, str]) -> None:
    settings = Settings.model_validate({name.lower(): value for name, value in required.items()})
    assert cdc_topics({"msr.notifications": 1, "cp.cpos.seqt": 1}, settings) == {"cp.cpos.seqt": 1}


def test_a_composite_key_is_joined_with_colons_and_its_own_colons_and_backslashes_are_escaped() -> None:
    assert _change("envelope", "aoh.cpos.assignment/0/0").entity_id == r"1:A\:1"
    assert _change("envelope", "aoh.cpos.assignment/3/0").entity_id == r"1:A\\2"
    assert _change("envelope", "aoh.cpos.assignment/0/1").entity_id == "2:B"


def test_a_key_inside_schema_and_payload_is_the_same_key() -> None:
    with_schema = _change("withschema", "withschema.cpos.track/0/0")
    assert with_schema.entity_id == "11111111-1111-4111-8111-111111111111"


def test_a_key_change_is_a_delete_a_tombstone_and_a_create_that_knows_its_old_key() -> None:
    delete = _change("copy_and_markers", "cp.cpos.seqt/0/14")
    tombstone = _change("copy_and_markers", "cp.cpos.seqt/0/15")
    create = _change("copy_and_markers", "cp.cpos.seqt/0/16")
    assert (delete.op, delete.entity_id, delete.old_entity, delete.tombstone) == ("d", "101", None, False)
    assert (tombstone.op, tombstone.entity_id, tombstone.state, tombstone.tombstone) == ("d", "101", None, True)
    assert (create.op, create.entity_id, create.old_entity) == ("c", "1101", "101")
    assert delete.lsn == create.lsn
    assert delete.sequence == create.sequence == (9362982784, 9362982784)


def test_all_rows_of_one_copy_share_a_sequence_and_differ_in_identity() -> None:
    rows = [_change("copy_and_markers", f"cp.cpos.seqt/0/{offset}") for offset in range(10, 14)]
    assert len({row.sequence for row in rows}) == 1
    assert len({row.identity for row in rows}) == 4


def test_an_unchanged_large_value_makes_the_state_incomplete() -> None:
    change = _change("envelope", "aoh.cpos.report/0/1")
    assert change.incomplete
    assert change.state is not None
    assert json.loads(change.state) == {"id": 1, "body": "__debezium_unavailable_value", "n": 1, "ext": "AP8="}
    assert not _change("envelope", "aoh.cpos.report/0/2").incomplete


def test_an_unchanged_large_value_under_a_new_key_is_only_known_under_the_old_one() -> None:
    change = _change("flattened", "flat.cpos.report/0/6")
    assert (change.op, change.entity_id, change.old_entity, change.incomplete) == ("c", "2", "1", True)


def test_a_bare_deletes_row_is_kept_as_it_was_sent_and_not_called_incomplete() -> None:
    change = _change("withschema", "withschema.cpos.track/0/6")
    assert change.op == "d"
    assert change.tenant == ""
    assert not change.incomplete
    assert change.state is not None
    assert json.loads(change.state)["callsign"] == ""


def test_a_truncate_is_a_command_over_its_table_and_known_when_it_comes_again() -> None:
    decoded = _decoded("envelope")["aoh.cpos.assignment/2/0"]
    assert isinstance(decoded, Command)
    assert decoded.sequence == (26729728, 26759232)
    assert decoded.identity == (26759232, 760, "cpos.assignment", "")


@pytest.mark.parametrize("capture", ["envelope", "flattened", "snapshot_iso"])
def test_a_table_without_a_key_is_told_which_setting_gives_it_one(capture: str) -> None:
    letters = [found for found in _decoded(capture).values() if isinstance(found, DeadLetter)]
    no_key = [letter for letter in letters if letter.code == "NO_KEY"]
    assert no_key
    assert all("message.key.columns" in letter.reason for letter in no_key)


def test_heartbeats_transactions_and_other_peoples_messages_say_nothing() -> None:
    decoded = _decoded("envelope") | _decoded("flattened")
    silent = {at for at, found in decoded.items() if found is None}
    assert {at.split("/")[0] for at in silent} == {
        "__debezium-heartbeat.aoh", "__debezium-heartbeat.late", "aoh.transaction", "aoh.message", "flat.message",
    }  # fmt: skip


def test_a_marker_carries_its_own_clock_and_not_the_records() -> None:
    decoded = _decoded("copy_and_markers")["mk.message/0/1"]
    assert decoded == Marker("mk", 1795400334962195)


def test_numbers_and_letters_come_out_as_they_went_in() -> None:
    change = _change("withschema", "withschema.cpos.track/0/0")
    assert change.state is not None
    assert b'"geom_lon":103.99,"geom_lat":1.36,' in change.state
    assert 'SQ 308 \\"Heavy\\" \\\\ café'.encode() in change.state
    assert b'"amount":"123.450"' in (_change("snapshot_iso", "late.cpos.assignment/0/0").state or b"")


def test_snapshot_reads_have_no_part_in_the_capture_order() -> None:
    for name in ("snapshot_iso", "redelivered", "envelope"):
        for decoded in _decoded(name).values():
            if isinstance(decoded, Change) and decoded.op == "r":
                assert (decoded.lsn, decoded.txid, decoded.sequence, decoded.identity) == (None, None, None, None)


def test_a_sequence_that_begins_with_null_is_no_sequence_but_the_record_keeps_its_identity() -> None:
    change = _change("redelivered", "dup.cpos.seqt/0/35")
    assert change.sequence is None
    assert change.commit_lsn is None
    assert change.identity == (8442768264, 2747, "cpos.seqt", "5")


def test_a_null_tenant_is_told_from_a_table_without_tenants() -> None:
    assert _change("snapshot_iso", "late.cpos.incident/0/2").tenant == ""
    assert _change("snapshot_iso", "late.cpos.incident/0/0").tenant == "3f333df6-90a4-4fda-8dd3-9485d27cee36"
    assert _change("snapshot_iso", "late.cpos.assignment/0/0").tenant is None
