"""Who sees what, and how answers and errors look, on the whole stack."""

from __future__ import annotations

import gzip
import socket
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import zstandard
from msr_local.waiting import wait_until

from tests.acceptance.api import Answer, text
from tests.acceptance.conftest import Scene
from tests.acceptance.verifier import now


def test_a_tenant_sees_its_rows_and_shared_ones(scene: Scene) -> None:
    """In states and in events; a row that moves leaves one and comes to the other; nobody sees a null tenant."""
    scene.only_worker()
    begun = now(scene.app_dsn)
    scene.write(
        "CREATE SCHEMA tenants",
        "CREATE TABLE tenants.secret (id integer PRIMARY KEY, tenant_id text, word text)",
        "CREATE TABLE tenants.public (id integer PRIMARY KEY, word text)",
        "INSERT INTO tenants.secret VALUES (1, 't1', 'one'), (2, 't2', 'two'), (3, NULL, 'null'), (4, 't1', 'moves')",
        "UPDATE tenants.secret SET tenant_id = 't2', word = 'moved' WHERE id = 4",
        "INSERT INTO tenants.public VALUES (9, 'all')",
    )
    wait_until(lambda: "9" in scene.rows("tenants.public"), 60, "the last of it is recorded")
    end = now(scene.app_dsn)
    scene.api().wait_settled(end)
    words = {
        person: {
            row["word"] for table in ("secret", "public") for row in scene.rows(f"tenants.{table}", person).values()
        }
        for person in ("alice", "bob", "admin", "root")
    }
    assert words["alice"] == words["admin"] == words["root"] == {"one", "all"}
    assert words["bob"] == {"two", "moved", "all"}
    seen = {
        person: [
            (event["entity_id"], event["op"], (event["entity_state"] or {}).get("word"))
            for event in scene.api(person).events(begun, end).rows
            if event["table_name"].startswith("tenants.")
        ]
        for person in ("alice", "bob")
    }
    assert sorted(seen["alice"]) == [("1", "c", "one"), ("4", "c", "moves"), ("4", "d", "moves"), ("9", "c", "all")]
    assert sorted(seen["bob"]) == [("2", "c", "two"), ("4", "c", "moved"), ("9", "c", "all")]


def is_error(answer: Answer, status: int, code: str) -> bool:
    """Whether an answer has the contract's shape of an error."""
    body = answer.json
    assert set(body) - {"details"} == {
        "timestamp", "correlationId", "errorCode", "errorMessage", "message", "errors", "sent_at",
    }  # fmt: skip
    assert body["errorMessage"] == body["message"]
    assert body["errors"] == [{"message": body["message"]}]
    assert uuid.UUID(body["correlationId"])
    assert answer.headers["x-correlation-id"] == body["correlationId"]
    assert "Traceback" not in answer.body.decode()
    return (answer.status, body["errorCode"]) == (status, code)


def test_who_may_not_is_told_so(scene: Scene) -> None:
    scene.only_worker()
    for path in ("/replay/state", "/replay/events"):
        assert is_error(scene.api(None).get(path), 401, "UNAUTHORIZED")
        for token in (
            "no.token.atall",
            scene.tokens["alice"][:-9] + "AAAAAAAAA",
            scene.stack.tokens.sign({}, lifetime=-60),
        ):
            assert is_error(scene.api(None).get(path, {"Authorization": f"Bearer {token}"}), 401, "UNAUTHORIZED")
        stranger = scene.stack.tokens.sign({"sub": str(uuid.uuid4())})
        assert is_error(scene.api(None).get(path, {"Authorization": f"Bearer {stranger}"}), 403, "FORBIDDEN")
    assert is_error(scene.api().get("/nothing/here"), 404, "NOT_FOUND")
    given = str(uuid.uuid4())
    answer = scene.api(None).get("/replay/state", {"X-Correlation-ID": given})
    assert answer.json["correlationId"] == given
    assert all(scene.api(None).get(path).status == 200 for path in ("/health", "/livez", "/readiness", "/readyz"))


def ago(**time: float) -> str:
    """An instant before now."""
    return text(datetime.now(UTC) - timedelta(**time))


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("state", {"timestamp": "yesterday"}, "VALIDATION_FAILED"),
        ("state", {"timestamp": "2026-11-23T10:00:00"}, "VALIDATION_FAILED"),
        ("state", {"timestamp": ago(days=-1)}, "TIMESTAMP_OUT_OF_RANGE"),
        ("state", {"timestamp": ago(days=8)}, "TIMESTAMP_OUT_OF_RANGE"),
        ("state", {"filter_tables": "truth.craft"}, "VALIDATION_FAILED"),
        ("events", {"start": ago(seconds=60)}, "VALIDATION_FAILED"),
        (
            "events",
            {
                "start": ago(hours=1),
                "end": ago(hours=2),
            },
            "INVALID_PLAYBACK_WINDOW",
        ),
    ],
)
def test_what_cannot_be_asked_is_said(scene: Scene, path: str, query: dict[str, str], code: str) -> None:
    answer = scene.api().get(f"/replay/{path}", None, **query)
    assert is_error(answer, 400, code)
    if code == "TIMESTAMP_OUT_OF_RANGE":
        [detail] = answer.json["details"]
        assert datetime.fromisoformat(detail.get("earliest") or detail["latest"])


def test_answers_are_compressed_when_that_is_accepted(scene: Scene) -> None:
    scene.only_worker()
    at = now(scene.app_dsn)
    scene.api().wait_settled(at)
    query = {"timestamp": text(at)}
    plain = scene.api().get("/replay/state", None, **query)
    gzipped = scene.api().get("/replay/state", {"Accept-Encoding": "gzip"}, **query)
    zstd = scene.api().get("/replay/state", {"Accept-Encoding": "gzip, zstd"}, **query)
    assert "content-encoding" not in plain.headers
    assert (gzipped.headers["content-encoding"], zstd.headers["content-encoding"]) == ("gzip", "zstd")
    rows = plain.entities
    assert gzipped._replace(body=gzip.decompress(gzipped.body)).entities == rows
    with zstandard.ZstdDecompressor().stream_reader(zstd.body) as reader:
        assert zstd._replace(body=reader.read()).entities == rows
    assert all(answer.settled_until >= at for answer in (plain, gzipped, zstd))
    assert rows
    assert set(rows[0]) >= {"entity_id", "entity_state", "op", "event_timestamp", "table_name"}


def test_a_client_that_leaves_in_the_middle_harms_nobody(scene: Scene) -> None:
    """More of them than answers at a time, and each answer larger than what the sockets hold: turns must come back."""
    scene.only_worker()
    scene.write(
        "CREATE SCHEMA leaving",
        "CREATE TABLE leaving.row (id integer PRIMARY KEY, text text)",
        "INSERT INTO leaving.row SELECT n, repeat(md5(n::text), 100) FROM generate_series(1, 8000) n",
    )
    wait_until(lambda: len(scene.rows("leaving.row")) == 8000, 60, "the table is recorded")
    request = f"GET /replay/state HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {scene.tokens['alice']}\r\n\r\n"
    for _ in range(12):
        with socket.create_connection(("127.0.0.1", scene.worker.port), timeout=60) as client:
            client.sendall(request.encode())
            assert client.recv(64).startswith(b"HTTP/1.1 200")
    wait_until(lambda: len(scene.rows("leaving.row")) == 8000, 60, "others are answered")
    assert scene.api(None).get("/readyz").status == 200
    assert "request failed" not in scene.log()
    scene.write("DELETE FROM leaving.row")
    wait_until(lambda: not scene.rows("leaving.row"), 60, "the recorder goes on")
