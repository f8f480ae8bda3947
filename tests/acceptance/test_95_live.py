"""The live tail: each event once, in order, soon after its commit, whatever breaks in between; and NDJSON."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from msr_local.waiting import wait_until

from tests.acceptance.api import Api, by_entity, text
from tests.acceptance.conftest import Scene
from tests.acceptance.verifier import now


class Listener:
    """A client of the live tail that comes again where it was, as browsers do.

    Attributes:
        events: what it got, with the time it came.
        settled: up to which instant it was told everything.
    """

    def __init__(self, scene: Scene, since: datetime, person: str = "alice") -> None:
        self.events: list[tuple[float, dict[str, Any]]] = []
        self.settled = since
        self.connections = 0
        self._scene, self._person, self._since = scene, person, since
        self._last: str | None = None
        self._stop = threading.Event()
        self._leave_after: int | None = None
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def leave_after(self, events: int) -> None:
        """Break the connection off after so many more events, in the middle of whatever comes."""
        self._leave_after = len(self.events) + events

    def _work(self) -> None:
        while not self._stop.is_set():
            self.connections += 1
            for name, event_id, data in self._stream():
                if event_id:
                    self._last = event_id
                if name == "settled":
                    self.settled = datetime.fromisoformat(data["settled_until"])
                else:
                    self.events.append((time.time(), data))
                if self._stop.is_set():
                    return
                if self._leave_after is not None and len(self.events) >= self._leave_after:
                    self._leave_after = None
                    break
            self._stop.wait(0.1)

    def _stream(self) -> Iterator[tuple[str, str | None, Any]]:
        api = Api(self._scene.worker.port, self._scene.tokens[self._person])
        path = f"/replay/live?{urlencode({'since': text(self._since)})}"
        headers = {"Last-Event-ID": self._last} if self._last else {}
        name, event_id = "", None
        try:
            for line in api.lines(path, headers):
                key, _, value = line.partition(": ")
                if key == "event":
                    name = value
                elif key == "id":
                    event_id = value
                elif key == "data":
                    yield name, event_id, json.loads(value)
        except (OSError, AssertionError):
            return  # the worker is gone, or not there yet


@pytest.mark.timeout(400)
def test_each_event_comes_once_in_order_and_soon(scene: Scene) -> None:
    """Through a connection that breaks off in the middle of an instant, and a worker that is killed and replaced."""
    scene.only_worker()
    scene.api().wait_settled(begun := now(scene.app_dsn))
    with Listener(scene, begun) as alice, Listener(scene, begun, "bob") as bob:
        with scene.workload.running(pause=0.1):
            wait_until(lambda: len(alice.events) > 100, 60, "events come")
            quiet = len(alice.events)
            for connections, events in ((2, 7), (3, 23), (4, 41)):
                alice.leave_after(events)
                wait_until(lambda: alice.connections >= connections, 60, "it has come again")  # noqa: B023
            lags = sorted(came - datetime.fromisoformat(event["event_timestamp"]).timestamp()
                          for came, event in alice.events[50:quiet])  # fmt: skip
            worker = scene.worker
            worker.kill()
            scene.stack.workers.remove(worker)
            scene.stack.add_worker()
            scene.workload.go_on(60)
        end = now(scene.app_dsn)
        scene.api().wait_settled(end)
        wait_until(lambda: min(alice.settled, bob.settled) >= end, 60, "all of it is told")
    scene.tell(f"after the commit: median {lags[len(lags) // 2]:.2f} s, slowest {lags[-1]:.2f} s of {len(lags)} events")
    for person, listener in (("alice", alice), ("bob", bob)):
        told = [event for _, event in listener.events if datetime.fromisoformat(event["event_timestamp"]) <= end]
        assert told == scene.api(person).events(begun, end).rows
    assert {row["op"] for _, row in alice.events} >= {"c", "u", "d"}
    assert lags[-1] < 3


def test_lines_hold_what_the_document_holds(scene: Scene) -> None:
    """NDJSON, of a state and of a window; the last line counts."""
    scene.only_worker()
    end = now(scene.app_dsn)
    scene.api().wait_settled(end)
    for path, query in (
        ("/replay/state", {"timestamp": text(end)}),
        ("/replay/events", {"start": text(end.replace(microsecond=0)), "end": text(end)}),
    ):
        document = scene.api().get(path, None, **query)
        lines = scene.api().get(path, {"Accept": "application/x-ndjson"}, **query)
        assert lines.headers["content-type"] == "application/x-ndjson"
        *rows, last = [json.loads(line) for line in lines.body.splitlines()]
        assert by_entity(rows) == document.entities
        assert path == "/replay/state" or rows == document.rows
        assert (last["count"], last["incomplete"]) == (len(rows), document.json["incomplete"])
        assert lines.headers["etag"] != document.headers["etag"]


def test_where_a_stream_may_not_begin_is_said(scene: Scene) -> None:
    scene.only_worker()
    api = scene.api()
    for query, code in (
        ({"since": "1990-01-01T00:00:00Z"}, "TIMESTAMP_OUT_OF_RANGE"),
        ({"since": text(datetime(2999, 1, 1, tzinfo=UTC))}, "TIMESTAMP_OUT_OF_RANGE"),
        ({"since": "yesterday"}, "VALIDATION_FAILED"),
        ({}, "VALIDATION_FAILED"),
    ):
        answer = api.get("/replay/live", None, **query)
        assert (answer.status, answer.json["errorCode"]) == (400, code)
    answer = api.get("/replay/live", {"Last-Event-ID": "1 OR 1=1"}, since=text(now(scene.app_dsn)))
    assert (answer.status, answer.json["errorCode"]) == (400, "VALIDATION_FAILED")
