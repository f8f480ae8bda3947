"""Sources and dead letters administered over HTTP, with the real Kafka Connect, Debezium and broker."""

from __future__ import annotations

from typing import Any

import psycopg
from msr_local import rest
from msr_local.connect import is_capturing
from msr_local.waiting import wait_until

from tests.acceptance.conftest import Scene
from tests.acceptance.test_4_http import is_error
from tests.acceptance.verifier import now

LETTERS = "/admin/dead-letters"
SOURCES = "/admin/sources"
POSTS: dict[str, Any] = {
    f"{SOURCES}/demo/restart": None,
    f"{SOURCES}/demo/snapshot": {"tables": ["steered.row"]},
    f"{SOURCES}/demo/steered.row/retire": None,
    f"{LETTERS}/retry": {"ids": [1]},
}


def post(scene: Scene, path: str, body: Any = None, person: str | None = "root") -> tuple[int, Any]:
    """Send a command; status and answer."""
    token = scene.tokens[person] if person is not None else None
    return rest.request("POST", f"http://127.0.0.1:{scene.worker.port}{path}", body, token, limit=30)


def demo(scene: Scene) -> dict[str, Any]:
    """The source as an administrator sees it."""
    answer = scene.api("admin").get(SOURCES)
    assert answer.status == 200, answer.body
    return next(one for one in answer.json["data"] if one["source"] == "demo")


def shards(scene: Scene, topic: str) -> list[dict[str, Any]]:
    """A topic's shards there."""
    return [shard for shard in demo(scene)["shards"] if shard["topic"] == topic]


def table(scene: Scene, name: str) -> dict[str, Any]:
    """A table there."""
    return next(one for one in demo(scene)["tables"] if one["table"] == name)


def test_who_may_not_steer_sources_is_told_so(scene: Scene) -> None:
    """Reading sources takes an administrator, everything else a system administrator."""
    scene.only_worker()
    assert is_error(scene.api(None).get(SOURCES), 401, "UNAUTHORIZED")
    assert is_error(scene.api("alice").get(SOURCES), 403, "FORBIDDEN")
    assert is_error(scene.api(None).get(LETTERS), 401, "UNAUTHORIZED")
    for person in ("alice", "admin"):
        assert is_error(scene.api(person).get(LETTERS), 403, "FORBIDDEN")
    for path, body in POSTS.items():
        assert post(scene, path, body, None)[0] == 401
        for person in ("alice", "bob", "admin"):
            status, answer = post(scene, path, body, person)
            assert (status, answer["errorCode"]) == (403, "FORBIDDEN"), (path, person)
    assert scene.query("SELECT count(*) FROM msr.audit WHERE action LIKE 'source.%%'") == [(0,)]


def test_the_sources_page_shows_the_real_connector_and_no_lag(scene: Scene) -> None:
    scene.only_worker()
    scene.write("CREATE SCHEMA steered", "CREATE TABLE steered.row (id integer PRIMARY KEY, tenant_id text, n integer)")
    scene.write("INSERT INTO steered.row SELECT n, 't1', 0 FROM generate_series(1, 20) n")
    wait_until(lambda: len(scene.rows("steered.row")) == 20, 60, "the table is recorded")
    found = demo(scene)
    [connector] = found["connectors"]
    assert (connector["name"], connector["state"], found["error"]) == ("demo", "RUNNING", None)
    assert [(task["id"], task["state"], task["trace"]) for task in connector["tasks"]] == [(0, "RUNNING", None)]
    assert found["slot_state"] in {"reserved", "extended"}
    ours = shards(scene, "demo.steered.row")
    assert [shard["partition"] for shard in ours] == [0, 1, 2, 3]
    assert {(shard["lag"], shard["live"], shard["stopped"], shard["retired_at"]) for shard in ours} == {
        (0, True, None, None)
    }
    assert sum(shard["events"] for shard in ours) == sum(shard["live_entities"] for shard in ours) == 20
    assert all(shard["flushed_offset"] + 1 == shard["end_offset"] for shard in ours)
    wait_until(lambda: table(scene, "steered.row")["published"] is True, 60, "publications are looked at", every=0.5)


def test_a_connector_is_started_anew_and_goes_on(scene: Scene) -> None:
    scene.only_worker()
    status, answer = post(scene, f"{SOURCES}/demo/restart")
    assert status == 200, answer
    assert answer["data"] == {"source": "demo", "connectors": ["demo"]}
    scene.write("UPDATE steered.row SET n = 1")
    wait_until(lambda: all(row["n"] == 1 for row in scene.rows("steered.row").values()), 60, "it captures", every=0.5)
    wait_until(lambda: is_capturing(scene.stack.postgres), 60, "the slot is read")
    assert post(scene, f"{SOURCES}/nothing/restart")[0] == 404
    assert scene.query("SELECT subject, username FROM msr.audit WHERE action = 'source.restart'") == [("demo", "root")]


def test_a_snapshot_arrives_that_was_asked_for(scene: Scene) -> None:
    scene.only_worker()
    query = "SELECT count(*) FROM msr.cdc_event WHERE table_name = 'steered.row' AND op = 'r'"
    [(before,)] = scene.query(query)
    status, answer = post(scene, f"{SOURCES}/demo/snapshot", {"tables": ["steered.row"]})
    assert (status, answer["data"]["tables"]) == (200, ["steered.row"])
    wait_until(lambda: scene.query(query) == [(before + 20,)], 60, "every row comes again", every=0.5)
    status, answer = post(scene, f"{SOURCES}/demo/snapshot", {"tables": ["steered.row", "no.such"]})
    assert (status, answer["errorCode"], answer["details"]) == (404, "NOT_FOUND", [{"table": "no.such"}])
    assert post(scene, f"{SOURCES}/demo/snapshot", {"tables": []})[0] == 400
    assert post(scene, f"{SOURCES}/nothing/snapshot")[0] == 404


def test_a_dead_letter_is_listed_and_recorded_once_its_cause_is_gone(scene: Scene) -> None:
    """The cause: the history database refuses a row, by a constraint somebody has added."""
    scene.only_worker()
    _alter(scene, "ADD CONSTRAINT refused CHECK (entity_state NOT LIKE '%unwanted%')")
    try:
        scene.write(
            "ALTER TABLE steered.row ADD word text",
            "INSERT INTO steered.row VALUES (100, 't1', 5, 'unwanted'), (101, 't1', 5, 'unwanted')",
            "UPDATE steered.row SET word = 'fine' WHERE id = 101",
        )
        wait_until(lambda: "101" in scene.rows("steered.row"), 60, "the good one is recorded")
        choice: dict[str, Any] = {
            "source": "demo",
            "code": "REFUSED_BY_DATABASE",
            "table": "steered.row",
            "sort": "offset,asc",
        }
        wait_until(lambda: len(scene.api("root").get(LETTERS, **choice).json["data"]) == 2, 60, "both are put aside")
        answer = scene.api("root").get(LETTERS, **choice)
    finally:
        _alter(scene, "DROP CONSTRAINT refused")
    assert answer.json["page"]["total_records"] == 2
    ids = {letter["entity"]: letter["id"] for letter in answer.json["data"]}
    [first] = [letter for letter in answer.json["data"] if letter["entity"] == "100"]
    assert (first["state"], first["topic"], first["key"]["text"]) == ("kept", "demo.steered.row", '{"id":100}')
    assert '"word":"unwanted"' in first["value"]["text"]
    assert "refused" in first["reason"]

    status, answer = post(scene, f"{LETTERS}/retry", {"ids": [*ids.values(), 10**12]})
    assert (status, answer["details"]) == (404, [{"id": 10**12}])
    status, answer = post(scene, f"{LETTERS}/retry", {"ids": list(ids.values())})
    assert status == 200, answer
    states = {one["id"]: one["state"] for one in answer["data"]}
    assert states == {ids["100"]: "recorded", ids["101"]: "superseded"}
    wait_until(lambda: "100" in scene.rows("steered.row"), 60, "it is answered", every=0.2)
    assert scene.rows("steered.row")["100"]["word"] == "unwanted"
    assert scene.rows("steered.row")["101"]["word"] == "fine"
    assert "100" not in scene.rows("steered.row", "bob")
    assert scene.api("root").get(LETTERS, state="recorded", table="steered.row").json["page"]["total_records"] == 1
    assert is_error(scene.api("root").get(LETTERS, state="lost"), 400, "VALIDATION_FAILED")
    scene.api().wait_settled(now(scene.app_dsn))
    scene.write("DELETE FROM steered.row WHERE id = 100")
    wait_until(lambda: "100" not in scene.rows("steered.row"), 60, "its shard goes on", every=0.2)


def test_a_dropped_table_is_named_and_retired(scene: Scene) -> None:
    """Its entities would live for ever: nothing tells the capture of a dropped table."""
    scene.only_worker()
    scene.write("DROP TABLE steered.row")
    wait_until(lambda: table(scene, "steered.row")["published"] is False, 60, "it is published no longer", every=0.5)
    assert "table is not published" in scene.log()
    before = now(scene.app_dsn)
    scene.api().wait_settled(before)
    assert len(scene.rows("steered.row")) == 21
    path = f"{SOURCES}/demo/steered.row/retire"
    status, answer = post(scene, path)
    assert (status, answer["data"]["entities"]) == (200, 21)
    wait_until(lambda: not scene.rows("steered.row"), 60, "its entities have ended", every=0.2)
    end = now(scene.app_dsn)
    scene.api().wait_settled(end)
    ended = [event for event in scene.api().events(before, end).rows if event["table_name"] == "steered.row"]
    assert {(event["op"], event["event_timestamp"]) for event in ended} == {("d", answer["data"]["retired_at"])}
    assert {event["entity_id"] for event in ended} == {str(number) for number in [*range(1, 21), 101]}
    assert "steered.row" not in scene.api().state().headers.get("x-incomplete", "")
    assert all(event["table_name"] != "steered.row" for event in scene.api("bob").events(before, end).rows)
    again = post(scene, path)
    assert (again[0], again[1]["data"]) == (200, {**answer["data"], "entities": 0})
    assert post(scene, f"{SOURCES}/demo/no.such/retire")[0] == post(scene, f"{SOURCES}/x/steered.row/retire")[0] == 404
    assert {shard["retired_at"] for shard in shards(scene, "demo.steered.row")} == {answer["data"]["retired_at"]}


def _alter(scene: Scene, what: str) -> None:
    """Change the history's table of events, as its owner."""
    with psycopg.connect(scene.history_dsn, autocommit=True) as history:
        history.execute(f"ALTER TABLE msr.cdc_event {what}".encode())
