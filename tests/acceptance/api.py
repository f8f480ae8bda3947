"""The API as one person sees it."""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from msr_local.waiting import wait_until


class Answer(NamedTuple):
    """One answer, its header names in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body decoded."""
        return json.loads(self.body)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The events of a whole answer."""
        assert self.status == 200, self.body[:500]
        rows: list[dict[str, Any]] = self.json["data"]
        return rows

    @property
    def entities(self) -> list[dict[str, Any]]:
        """The rows of a whole state, by table and entity: as it is served it has no order."""
        return by_entity(self.rows)

    @property
    def settled_until(self) -> datetime:
        """How far the past is settled."""
        return datetime.fromisoformat(self.headers["x-settled-until"])


def by_entity(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a state in an order in which two of them can be compared."""
    return sorted(rows, key=lambda row: (row["table_name"], row["entity_id"]))


def text(moment: datetime) -> str:
    """An instant as requests name it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


class Api:
    """One worker, asked with one token."""

    def __init__(self, port: int, token: str | None = None) -> None:
        self.port, self.token = port, token

    def get(self, path: str, headers: dict[str, str] | None = None, **query: object) -> Answer:
        """Ask; status 0 while nobody listens."""
        return self.send("GET", path + (f"?{urlencode(query, doseq=True)}" if query else ""), headers=headers)

    def send(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
        """Any request, with a JSON body if one is given; status 0 while nobody listens."""
        sent = self._authorised(headers)
        content = None if body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, content, sent)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        except (OSError, http.client.HTTPException):
            return Answer(0, {}, b"")
        finally:
            connection.close()

    def lines(self, path: str, headers: dict[str, str] | None = None) -> Iterator[str]:
        """The lines of an endless answer, as they come."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path, headers=self._authorised(headers))
            response = connection.getresponse()
            assert response.status == 200, response.read()
            while line := response.readline():
                yield line.decode().rstrip("\n")
        finally:
            connection.close()

    def _authorised(self, headers: dict[str, str] | None) -> dict[str, str]:
        bearer = {"Authorization": f"Bearer {self.token}"} if self.token is not None else {}
        return {**(headers or {}), **bearer}

    def state(self, at: datetime | None = None, headers: dict[str, str] | None = None) -> Answer:
        """The state at an instant, or the newest."""
        return self.get("/replay/state", headers, **({"timestamp": text(at)} if at is not None else {}))

    def events(self, start: datetime, end: datetime) -> Answer:
        """The events of a window."""
        return self.get("/replay/events", start=text(start), end=text(end))

    def settled(self) -> datetime | None:
        """How far the past is settled now, if that is answered."""
        answer = self.get("/replay/events", start=(now := text(datetime.now(UTC))), end=now)
        found = answer.headers.get("x-settled-until")
        if found is None and answer.status == 503:
            found = next((one.get("settled_until") for one in answer.json.get("details") or []), None)
        return datetime.fromisoformat(found) if found else None

    def wait_settled(self, moment: datetime, limit: float = 60) -> None:
        """Wait until an instant is settled."""
        wait_until(
            lambda: (settled := self.settled()) is not None and settled >= moment,
            limit,
            f"settled up to {moment}",
            every=0.2,
        )


def fold(rows: list[dict[str, Any]], events: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """A state and later events make the later state."""
    world = {(row["table_name"], row["entity_id"]): row for row in rows}
    for event in events:
        key = event["table_name"], event["entity_id"]
        if event["op"] == "d":
            world.pop(key, None)
        else:
            world[key] = event
    return world


def is_refusal(answer: Answer, status: int, code: str) -> bool:
    """Whether an answer is the contract's error, one id in its header and its body, and nothing else."""
    body = answer.json
    assert set(body) - {"details"} == {
        "timestamp", "correlationId", "errorCode", "errorMessage", "message", "errors", "sent_at",
    }  # fmt: skip
    assert uuid.UUID(body["correlationId"])
    assert body["correlationId"] == answer.headers["x-correlation-id"]
    assert body["message"] == body["errorMessage"] == body["errors"][0]["message"]
    assert "Traceback" not in answer.body.decode()
    return (answer.status, body["errorCode"]) == (status, code)
