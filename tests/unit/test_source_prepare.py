"""The set-up of a source, as far as it needs no source; and the connector's template."""

from dataclasses import replace
from pathlib import Path

import pytest

from msr_stream.errors import SourceError
from msr_stream.source.check import gap_findings, server_findings, slot_findings
from msr_stream.source.connector import render
from msr_stream.source.prepare import (
    Plan,
    Server,
    Step,
    Wish,
    fingerprint,
    installation,
    literal,
    needs_superuser,
    quote,
    refusal,
    remember,
    script,
)
from msr_stream.source.queries import load
from msr_stream.source.slots import SlotState

TEMPLATE = Path(__file__).parents[2] / "docker" / "connect" / "postgres-source.json"
VALUES = {
    "NAME": "ships",
    "TOPIC_PREFIX": "ships",
    "DATABASE_HOST": "db",
    "DATABASE_PORT": "5432",
    "DATABASE_NAME": "source",
    "DATABASE_USER": "capture",
    "DATABASE_PASSWORD": 'a"b\\c//d',
    "KAFKA_BROKERS": "kafka:9092",
    "PARTITIONS": "4",
    "SLOT_NAME": "msr_slot",
    "PUBLICATION_NAME": "msr_publication",
}
SERVER = Server(
    version=180006,
    database="source",
    role="postgres",
    standby=False,
    wal_level="logical",
    superuser=True,
    max_slots=10,
    slots=0,
    own_slots=0,
    max_senders=10,
    senders=0,
    keep_size="2GB",
    event_triggers="on",
    publication=None,
    capture_role_exists=True,
    capture_role_replicates=True,
    stamp=None,
    triggers=0,
    installed=False,
)
PUBLISH = Step("every table of schema ops", "ALTER PUBLICATION p ADD TABLES IN SCHEMA ops", "publish")


def test_a_plain_server_is_not_refused() -> None:
    assert refusal(SERVER, Wish(capture_role="capture")) is None


@pytest.mark.parametrize(
    ("server", "says"),
    [
        (replace(SERVER, version=140010), "15 or later"),
        (replace(SERVER, standby=True), "prepare the primary"),
        (replace(SERVER, wal_level="replica"), "ALTER SYSTEM SET wal_level = logical"),
        (replace(SERVER, event_triggers="off"), "set it to on"),
        (replace(SERVER, publication="all tables"), "FOR ALL TABLES"),
        (replace(SERVER, publication="foreign"), "was not made by MSR"),
        (replace(SERVER, slots=10), "max_replication_slots"),
        (replace(SERVER, senders=10), "max_wal_senders"),
        (replace(SERVER, capture_role_exists=False), 'CREATE ROLE "capture" LOGIN REPLICATION'),
        (replace(SERVER, capture_role_replicates=False), 'ALTER ROLE "capture" REPLICATION'),
    ],
)
def test_a_refusal_is_one_line_that_says_what_to_do(server: Server, says: str) -> None:
    reason = refusal(server, Wish(capture_role="capture"))
    assert reason is not None
    assert says in reason
    assert "\n" not in reason


def test_full_slots_do_not_matter_when_one_is_ours() -> None:
    assert refusal(replace(SERVER, slots=10, own_slots=1, senders=10), Wish()) is None


def test_who_is_no_superuser_is_told_what_needs_one() -> None:
    plan = Plan(publish=(PUBLISH,))
    told = needs_superuser(replace(SERVER, superuser=False, role="app"), plan)
    assert told is not None
    assert '"app"' in told
    assert "TABLES IN SCHEMA" in told
    assert needs_superuser(SERVER, plan) is None
    assert needs_superuser(replace(SERVER, superuser=False), Plan()) is None, "nothing to do needs no right"


def test_what_is_installed_and_unchanged_is_not_installed_again() -> None:
    wish = Wish("p", "capture")
    there = replace(SERVER, installed=True, triggers=2, stamp=f"MSR capture {fingerprint()}")
    assert installation(there, wish, wish) == ()
    assert [step.statement for step in installation(there, wish, None)] == [remember(wish)]
    assert len(installation(replace(there, triggers=1), wish, wish)) > 5, "a trigger was switched off"
    assert len(installation(replace(there, stamp="MSR capture 0"), wish, wish)) > 5, "another version"


def test_the_function_of_the_event_triggers_has_the_text_of_the_plan() -> None:
    statements = [step.statement for step in installation(SERVER, Wish(), None)]
    assert any(load("gaps")["gaps"].sql in statement for statement in statements)
    assert not any("{gaps}" in statement or "{stamp}" in statement for statement in statements)


def test_the_script_waits_before_it_publishes() -> None:
    lines = script(Plan(installation(SERVER, Wish(), None), (PUBLISH,)))
    assert lines.count("BEGIN;\n") == lines.count("COMMIT;\n") == 2
    assert lines.index("CREATE EVENT TRIGGER") < lines.index("pg_locks") < lines.index("TABLES IN SCHEMA ops;")
    assert script(Plan()) == ""


def test_every_query_is_described() -> None:
    for file in ("gaps", "install", "survey", "apply"):
        for query in load(file).values():
            assert query.description, query.name
            assert query.sql, query.name


def test_names_and_texts_are_quoted() -> None:
    assert quote('we"ird') == '"we""ird"'
    assert literal("it's") == "'it''s'"
    assert "ARRAY['a', 'b''c']::name[]" in remember(Wish(schemas=("a", "b'c")))


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (SlotState("s", active=True, wal_status="lost", lag_bytes=1), "pg_drop_replication_slot('s')"),
        (SlotState("s", active=True, wal_status="unreserved", lag_bytes=1), "about to be lost"),
        (SlotState("s", active=False, wal_status="reserved", lag_bytes=1), "start the connector"),
        (SlotState("s", active=False, wal_status="missing", lag_bytes=None), "when it starts"),
        (SlotState("s", active=True, wal_status="extended", lag_bytes=2 << 30), "does not keep up"),
    ],
)
def test_a_slot_in_trouble_is_a_wrong_line_with_advice(state: SlotState, says: str) -> None:
    (finding,) = slot_findings([state], "2GB")
    assert not finding.ok
    assert says in finding.text


def test_a_slot_that_is_read_is_fine() -> None:
    state = SlotState("s", active=True, wal_status="reserved", lag_bytes=1234)
    (finding,) = slot_findings([state], "2GB")
    assert finding.ok
    assert "1,234 bytes" in finding.text
    assert not state.lost
    assert slot_findings([state], "-1")[1].note, "an unlimited slot is worth a note"


def test_findings_name_what_is_missing() -> None:
    findings = {finding.subject: finding for finding in gap_findings([PUBLISH])}
    assert not findings["tables not published"].ok
    assert PUBLISH.statement in findings["tables not published"].text
    assert findings["tables without identity"].ok
    wrong = [finding.subject for finding in server_findings(SERVER, Wish()) if not finding.ok]
    assert wrong == ["publication", "event triggers"]


def test_the_template_is_rendered_to_strings() -> None:
    settings = render(TEMPLATE.read_text(), VALUES)
    assert settings["database.password"] == VALUES["DATABASE_PASSWORD"]
    assert settings["topic.creation.default.partitions"] == "4"
    assert "pg_logical_emit_message(true, 'msr'" in settings["heartbeat.action.query"]
    assert settings["publication.autocreate.mode"] == "disabled"
    assert not any("${" in value for value in settings.values())


def test_a_missing_or_unknown_placeholder_is_named() -> None:
    with pytest.raises(SourceError, match="needs a value for PARTITIONS"):
        render(TEMPLATE.read_text(), {name: value for name, value in VALUES.items() if name != "PARTITIONS"})
    with pytest.raises(SourceError, match="no placeholder COLOUR"):
        render(TEMPLATE.read_text(), {**VALUES, "COLOUR": "red"})


@pytest.mark.parametrize("template", ["{", '{"a": 1}', "[]"])
def test_a_template_that_is_no_object_of_strings_is_refused(template: str) -> None:
    with pytest.raises(SourceError, match="template"):
        render(template, {})
