"""Sessions as the modlet, an instructor and an administrator use them, on the whole stack, also when workers die."""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from msr_local.programs import Worker
from msr_local.waiting import wait_until

from tests.acceptance.api import Answer, Api
from tests.acceptance.conftest import Scene

NOON = "2026-11-25T12:00:00Z"


@pytest.fixture(autouse=True)
def _no_sessions(scene: Scene) -> Iterator[None]:
    """One worker, no session of the test before, and the limit as it is by default."""
    scene.only_worker()
    scene.query("UPDATE msr.session SET status = 'INACTIVE', ended_reason = 'terminated' RETURNING 1")
    limit(scene, 50)
    yield
    limit(scene, 5)


def limit(scene: Scene, sessions: int) -> None:
    answer = scene.api("root").send("PUT", "/admin/settings", {"max_active_sessions": sessions})
    assert (answer.status, answer.json["data"]) == (200, {"max_active_sessions": sessions})


def create(api: Api) -> dict[str, Any]:
    answer = api.send("POST", "/session")
    assert answer.status == 200, answer.body
    session: dict[str, Any] = answer.json["data"]
    return session


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["errorCode"]


def kinds(api: Api, session_id: str) -> list[str]:
    """What is on a session's timeline, in order; each number once."""
    found = api.get(f"/session/{session_id}/timeline", size=1000, sort="number,asc").json["data"]
    assert [entry["number"] for entry in found] == list(range(1, len(found) + 1))
    return [entry["kind"] for entry in found]


def test_the_life_of_a_session(scene: Scene) -> None:
    alice = scene.api("alice")
    answer = alice.send("POST", "/session")
    assert answer.status == 200
    assert answer.json["message"] == "Created session successfully"
    session = answer.json["data"]
    assert session["status"] == "ACTIVE"
    assert session["updated_at"] == session["update_at"]
    path = f"/session/{session['id']}"
    wanted = {"occ_lock": session["occ_lock"], "status": "playing", "playhead": NOON, "speed": 4}
    played = alice.send("PATCH", path, wanted)
    assert played.json["data"]["playback"]["playhead"] == "2026-11-25T12:00:00.000000Z"
    assert code(alice.send("PATCH", path, {"occ_lock": session["occ_lock"], "speed": 1})) == (409, "CONFLICT")
    assert code(alice.send("PATCH", path, {"speed": 1})) == (400, "VALIDATION_FAILED")
    assert code(alice.send("PATCH", path, {"occ_lock": 2, "speed": 0})) == (400, "VALIDATION_FAILED")
    assert alice.send("PATCH", path, {"playhead": "2026-11-25T12:00:07Z"}).status == 200
    bookmark = alice.send("POST", f"{path}/bookmarks", {"timestamp": NOON, "title": "it begins", "note": "see runway"})
    assert bookmark.status == 200
    assert alice.send("POST", f"{path}/marks", {"timestamp": NOON, "text": "look"}).status == 200
    place = f"{path}/bookmarks/{bookmark.json['data']['id']}"
    alice.send("POST", f"{path}/bookmarks", {"timestamp": NOON, "title": "it ends"})
    assert code(alice.send("PATCH", place, {})) == (400, "VALIDATION_FAILED")
    assert code(alice.send("PATCH", place, {"title": ""})) == (400, "VALIDATION_FAILED")
    changed = alice.send("PATCH", place, {"rank": 2.5, "note": "see tower"}).json["data"]
    assert changed == bookmark.json["data"] | {"rank": 2.5, "note": "see tower"}
    shown = alice.get(path).json["data"]
    assert [one["title"] for one in shown["bookmarks"]] == ["it ends", "it begins"]
    assert alice.send("DELETE", place).status == 204
    ended = alice.send("DELETE", path)
    assert (ended.status, ended.body) == (204, b"")
    assert code(alice.send("PATCH", path, {"playhead": NOON})) == (409, "SESSION_TERMINATED")
    assert code(alice.send("POST", f"{path}/terminate")) == (409, "SESSION_TERMINATED")
    assert alice.get(path).json["data"]["ended_reason"] == "terminated"
    told = ["create", "playback", "bookmark", "mark", "bookmark", "change_bookmark", "remove_bookmark", "terminate"]
    assert kinds(alice, session["id"]) == told


def test_terminating_is_for_the_user_alone(scene: Scene) -> None:
    """The modlet's other way to end a session; nobody else's, and no other tenant's."""
    alice = scene.api("alice")
    path = f"/session/{create(alice)['id']}"
    for who, refusal in (("admin", (403, "FORBIDDEN")), ("bob", (404, "NOT_FOUND"))):
        assert code(scene.api(who).send("POST", f"{path}/terminate")) == refusal
        assert code(scene.api(who).send("DELETE", path)) == refusal
        assert code(scene.api(who).send("PATCH", path, {"playhead": NOON})) == refusal
    for read in ("", "/timeline", "/follow"):
        assert code(scene.api("bob").get(path + read)) == (404, "NOT_FOUND")
    ended = alice.send("POST", f"{path}/terminate")
    assert (ended.status, ended.body) == (204, b"")
    assert alice.get("/session", size=1000).json["data"][0]["status"] == "INACTIVE"


def test_text_of_any_kind_is_text(scene: Scene) -> None:
    """SQL in a title, a note or a parameter is kept as it is, or refused; nothing is run."""
    alice, root = scene.api("alice"), scene.api("root")
    session_id = create(alice)["id"]
    for text in (
        "'; DROP TABLE msr.session; --",
        "$1 || pg_sleep(1)",
        'x" OR "1"="1',
        "\\'); DELETE FROM msr.bookmark; --",
    ):
        body = {"timestamp": NOON, "title": text, "note": text}
        assert alice.send("POST", f"/session/{session_id}/bookmarks", body).json["data"]["title"] == text
        assert alice.get("/session", sort=text, page=text, size=text).json["page"]["sort"] == ["created_at,desc"]
        assert root.get("/admin/sessions", tenant_id=text).json["data"] == []
        assert code(root.get("/admin/sessions", status=text)) == (400, "VALIDATION_FAILED")
        assert root.get("/admin/audit", action=text, user_id=text).json["data"] == []
    assert len(alice.get(f"/session/{session_id}").json["data"]["bookmarks"]) == 4


def test_what_is_played_is_written_within_a_second(scene: Scene) -> None:
    alice = scene.api("alice")
    session = create(alice)
    answer = alice.send("PATCH", f"/session/{session['id']}", {"playhead": NOON})
    assert answer.status == 200
    begun = time.monotonic()
    query = "SELECT playback ->> 'playhead' FROM msr.session WHERE id = %s"
    wait_until(lambda: scene.query(query, session["id"])[0][0] is not None, 60, "the playhead is in the database")
    scene.tell(f"a tick is in the database after {time.monotonic() - begun:.2f} s")


def test_fifty_creates_at_once_at_a_limit_of_five(scene: Scene) -> None:
    """Over all tenants and from two workers: five sessions, and 45 times the error that the modlet knows."""
    limit(scene, 5)
    other = scene.stack.add_worker()
    apis = [Api(worker.port, scene.tokens[who]) for worker in (scene.worker, other) for who in ("alice", "bob")]
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda n: apis[n % 4].send("POST", "/session"), range(50)))
    assert Counter(a.status if a.status == 200 else code(a) for a in answers) == {
        200: 5,
        (409, "SESSION_LIMIT_REACHED"): 45,
    }
    details = next(a for a in answers if a.status == 409).json["details"]
    assert details == [{"active_sessions": 5, "max_active_sessions": 5}]
    assert scene.api("root").get("/admin/sessions/status").json["data"] == {"active_sessions": 5}


def test_a_command_is_answered_within_fifty_milliseconds_at_the_median(scene: Scene) -> None:
    """Told, not held against the figure: the machine may be busy with something else."""
    alice = scene.api("alice")
    session = create(alice)
    path, occ_lock, took = f"/session/{session['id']}", session["occ_lock"], []
    for number in range(60):
        begun = time.monotonic()
        answer = alice.send("PATCH", path, {"occ_lock": occ_lock, "speed": 1 + number % 4})
        took.append(time.monotonic() - begun)
        occ_lock = answer.json["data"]["occ_lock"]
    scene.tell(f"commands: median {statistics.median(took) * 1000:.1f} ms, slowest {max(took) * 1000:.0f} ms")
    assert kinds(alice, session["id"]) == ["create", *["speed"] * 60]


def test_whoever_calls_with_a_session_is_told_when_it_has_ended(scene: Scene) -> None:
    alice = scene.api("alice")
    session_id = create(alice)["id"]
    named = {"X-Session-ID": session_id}
    assert alice.get("/replay/state", named).status == 200
    assert alice.get("/replay/state", session_id=session_id).status == 200
    assert code(scene.api("bob").get("/replay/state", named)) == (404, "NOT_FOUND")
    assert code(scene.api("admin").get("/replay/state", named)) == (403, "FORBIDDEN")
    assert code(alice.get("/replay/state", {"X-Session-ID": "mine"})) == (400, "VALIDATION_FAILED")
    assert code(alice.get("/replay/state", {"X-Session-ID": str(uuid4())})) == (404, "NOT_FOUND")
    assert scene.api("admin").send("POST", "/admin/sessions/terminate", {"session_ids": [session_id]}).status == 204
    assert code(alice.get("/replay/state", named)) == (409, "SESSION_TERMINATED")
    assert code(alice.send("PATCH", f"/session/{session_id}", {"playhead": NOON})) == (409, "SESSION_TERMINATED")


def test_a_session_that_nobody_sees_frees_its_place(scene: Scene) -> None:
    """One that is seen, by its name or by its user's replays, stays."""
    scene.stack.remove_worker(scene.worker)
    scene.stack.add_worker({"SESSION_TIMEOUT": "8s"})
    alice, bob = scene.api("alice"), scene.api("bob")
    named, forgotten = create(alice)["id"], create(bob)["id"]

    def status(api: Api, session_id: str) -> str:
        alice.get("/replay/state", {"X-Session-ID": named})
        found: str = api.get(f"/session/{session_id}").json["data"]["status"]
        return found

    wait_until(lambda: status(bob, forgotten) == "INACTIVE", 60, "a session is not seen for too long", every=0.2)
    assert status(alice, named) == "ACTIVE"
    assert bob.get(f"/session/{forgotten}").json["data"]["ended_reason"] == "unseen"
    assert code(bob.get("/replay/state", {"X-Session-ID": forgotten})) == (409, "SESSION_TERMINATED")
    assert bob.send("POST", f"/session/{forgotten}/resume").json["data"]["status"] == "ACTIVE"
    scene.stack.remove_worker(scene.worker)
    scene.only_worker()


def test_an_administrator_sees_and_ends_what_is_the_own_tenants(scene: Scene) -> None:
    alice, bob, admin, root = (scene.api(who) for who in ("alice", "bob", "admin", "root"))
    mine, theirs = create(alice)["id"], create(bob)["id"]
    assert code(alice.get("/admin/sessions")) == (403, "FORBIDDEN")
    seen = admin.get("/admin/sessions", status="ACTIVE").json
    assert [session["id"] for session in seen["data"]] == [mine]
    assert seen["page"] == {"number": 1, "size": 10, "total_records": 1, "count": 1, "sort": ["created_at,desc"]}
    assert code(admin.get("/admin/sessions", tenant_id="t2")) == (403, "FORBIDDEN")
    every = root.get("/admin/sessions", status="ACTIVE", size=1, page=2, sort="tenant_id,asc").json
    assert [session["id"] for session in every["data"]] == [theirs]
    assert every["page"] == {"number": 2, "size": 1, "total_records": 2, "count": 1, "sort": ["tenant_id,asc"]}
    refused = admin.send("POST", "/admin/sessions/terminate", {"session_ids": [mine, theirs]})
    assert code(refused) == (404, "NOT_FOUND")
    assert refused.json["details"] == [{"session_id": theirs}]
    assert root.get("/admin/sessions/status").json["data"] == {"active_sessions": 2}
    assert root.send("POST", "/admin/sessions/terminate", {"session_ids": [mine, theirs]}).status == 204
    assert root.get("/admin/sessions/status").json["data"] == {"active_sessions": 0}
    noted = admin.get("/admin/audit", action="session.terminate", size=1000).json["data"]
    assert mine in [entry["subject"] for entry in noted]
    assert theirs not in [entry["subject"] for entry in noted]


def test_settings_are_in_force_on_every_worker_and_noted(scene: Scene) -> None:
    other = Api(scene.stack.add_worker().port, scene.tokens["alice"])
    root = scene.api("root")
    before = other.get("/admin/settings").json["data"]
    assert set(before) == {
        "max_active_sessions", "max_playback_range", "data_retention_cron_expression", "earliest_valid_timestamp",
        "query_work_mem_mb", "columnstore_compression_age_days", "cagg_refresh_interval_hours", "cagg_refresh_lag_days",
    }  # fmt: skip
    wrong = root.send("PUT", "/admin/settings", {"max_playback_range": 0, "nonsense": 1, "query_work_mem_mb": 64})
    assert code(wrong) == (400, "VALIDATION_FAILED")
    assert {problem["field"] for problem in wrong.json["details"]} == {"max_playback_range", "nonsense"}
    assert other.get("/admin/settings").json["data"] == before
    assert code(scene.api("admin").send("PUT", "/admin/settings", {"query_work_mem_mb": 64})) == (403, "FORBIDDEN")
    sent = {"max_playback_range": 3, "query_work_mem_mb": 64}
    try:
        assert root.send("PUT", "/admin/settings", sent).json["data"] == sent
        assert other.get("/admin/settings").json["data"] == before | sent
        early = other.get("/replay/state", timestamp="2026-01-01T00:00:00Z")
        assert code(early) == (400, "TIMESTAMP_OUT_OF_RANGE")
        [entry, *_] = root.get("/admin/audit", action="settings.update").json["data"]
        assert (entry["username"], entry["after"]) == ("root", sent)
        assert entry["before"] == {key: before[key] for key in sent}
    finally:
        root.send("PUT", "/admin/settings", {key: before[key] for key in sent})


def test_others_in_the_room_follow_the_presenter(scene: Scene) -> None:
    """Of the same tenant, from another worker; the stream ends when the session does."""
    other = scene.stack.add_worker()
    alice = scene.api("alice")
    session = create(alice)
    path = f"/session/{session['id']}"
    assert code(scene.api("bob").get(f"{path}/follow")) == (404, "NOT_FOUND")
    events: list[tuple[str, dict[str, Any]]] = []
    follower = threading.Thread(target=lambda: follow(other, scene.tokens["admin"], path, events))
    follower.start()
    wait_until(lambda: len(events) >= 1, 60, "the follower is there")
    alice.send("PATCH", path, {"occ_lock": 1, "status": "playing", "playhead": NOON})
    wait_until(lambda: playheads(events)[-1:] == ["2026-11-25T12:00:00.000000Z"], 60, "it sees the seek")
    alice.send("PATCH", path, {"playhead": "2026-11-25T12:00:05Z"})
    wait_until(lambda: playheads(events)[-1:] == ["2026-11-25T12:00:05.000000Z"], 60, "it sees the tick")
    alice.send("DELETE", path)
    follower.join(20)
    assert not follower.is_alive()
    assert events[-1][0] == "end"


def test_a_stream_ends_when_its_token_expires(scene: Scene) -> None:
    """However long the session lives: who follows has to show a new token."""
    alice = scene.api("alice")
    path = f"/session/{create(alice)['id']}"
    tokens, now = scene.stack.tokens, int(time.time())
    claims = {"sub": "guest", "active_tenant": {"tenant_id": "t1"}, "exp": now + 8}
    events: list[tuple[str, dict[str, Any]]] = []
    follow(scene.worker, tokens.sign(claims), path, events)
    scene.tell(f"the stream ended {time.time() - now - 8:.1f} s after its token")
    assert {event for event, _ in events} == {"playback"}
    assert now + 7 <= time.time()
    assert alice.get(path).json["data"]["status"] == "ACTIVE"


def test_a_worker_with_followers_ends_when_it_is_told(scene: Scene) -> None:
    path = f"/session/{create(scene.api('alice'))['id']}"
    streams: list[list[tuple[str, dict[str, Any]]]] = [[] for _ in range(3)]
    followers = [
        threading.Thread(target=follow, args=(scene.worker, scene.tokens["alice"], path, events)) for events in streams
    ]
    for follower in followers:
        follower.start()
    wait_until(lambda: all(streams), 60, "all follow")
    begun = time.monotonic()
    worker = scene.worker
    scene.stack.remove_worker(worker)
    scene.tell(f"SIGTERM with three followers: {time.monotonic() - begun:.1f} s")
    assert worker.exit_code == 0
    assert time.monotonic() - begun < 10
    for follower in followers:
        follower.join(60)
        assert not follower.is_alive()
    scene.only_worker()


def follow(worker: Worker, token: str, path: str, events: list[tuple[str, dict[str, Any]]]) -> None:
    """Read a stream of events to its end."""
    for line in Api(worker.port, token).lines(f"{path}/follow"):
        if line.startswith("event: "):
            events.append((line[7:], {}))
        elif line.startswith("data: "):
            events[-1] = events[-1][0], json.loads(line[6:])


def playheads(events: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [about["playback"]["playhead"] for _, about in list(events) if about]


@pytest.mark.timeout(600)
def test_losing_workers_loses_no_command_that_was_answered(scene: Scene) -> None:
    """Two workers; one is killed, a third joins, one is told to stop: every answered mark is there once, in order."""
    scene.stack.add_worker()
    sessions = [create(scene.api("alice"))["id"] for _ in range(12)]
    marking = Marking(scene, sessions)
    with marking:
        marking.go_on(60)
        killed = scene.stack.workers[1]
        killed.kill()
        begun = time.monotonic()
        scene.stack.workers.remove(killed)
        marking.each_answered(since=begun, limit=20)
        scene.tell(f"every session has an owner again {time.monotonic() - begun:.1f} s after the kill")
        scene.stack.add_worker()
        marking.go_on(60)
        begun = time.monotonic()
        scene.stack.remove_worker(scene.stack.workers[1])
        scene.tell(f"SIGTERM: {time.monotonic() - begun:.1f} s")
        marking.go_on(60)
    scene.tell(f"{len(marking.answered)} marks answered, {marking.refused} times 503, slowest {marking.slowest:.1f} s")
    assert marking.slowest < 50, "a command was left without an answer until its client gave up"
    for session_id in sessions:
        found = scene.api("alice").get(f"/session/{session_id}/timeline", size=1000, sort="number,asc").json["data"]
        texts = [entry["detail"]["text"] for entry in found if entry["kind"] == "mark"]
        assert len(texts) == len(set(texts)), "a mark is there twice"
        answered = [text for session, text in marking.answered if session == session_id]
        assert [text for text in texts if text in set(answered)] == answered


class Marking:
    """A client that marks sessions in turn, at whichever worker there is, and notes what was answered."""

    def __init__(self, scene: Scene, sessions: list[str]) -> None:
        self.answered: list[tuple[str, str]] = []
        self.refused, self.slowest = 0, 0.0
        self._scene, self._sessions = scene, sessions
        self._times: dict[str, float] = {}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(sessions[n::4], n)) for n in range(4)]

    def __enter__(self) -> Marking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def go_on(self, marks: int) -> None:
        """Wait until so many more are answered."""
        wanted = len(self.answered) + marks
        wait_until(lambda: len(self.answered) >= wanted, 60, f"{marks} more marks are answered")

    def each_answered(self, since: float, limit: float) -> None:
        """Wait until every session has answered again."""
        wait_until(lambda: all(self._times.get(one, 0) > since for one in self._sessions), limit, "all have an owner")

    def _work(self, sessions: list[str], number: int) -> None:
        count = 0
        while not self._stop.is_set():
            for session_id in sessions:
                count += 1
                text = f"{number}-{count}"
                begun = time.monotonic()
                workers = self._scene.stack.workers
                answer = Api(workers[count % len(workers)].port, self._scene.tokens["alice"]).send(
                    "POST", f"/session/{session_id}/marks", {"timestamp": NOON, "text": text}
                )
                self.slowest = max(self.slowest, time.monotonic() - begun)
                if answer.status == 200:
                    self.answered.append((session_id, text))
                    self._times[session_id] = time.monotonic()
                else:
                    self.refused += answer.status == 503
                    assert answer.status in (0, 503), answer.body
