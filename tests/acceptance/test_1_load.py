"""Fifty users at once for a minute, while the application writes: nobody gets an error, and recording keeps up.

First of all, in a world of some hundred rows: with states of 20,000 rows two cores do not keep up (benchmarks).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median

import pytest

from tests.acceptance.api import Api
from tests.acceptance.conftest import Scene
from tests.acceptance.verifier import now

USERS, SECONDS = 50, 60
_LAG = """SELECT extract(epoch FROM clock_timestamp() - min(settled_until)) FROM msr.shard
          WHERE live AND stopped IS NULL AND retired_at IS NULL"""


@pytest.mark.timeout(300)
def test_fifty_users_for_a_minute(scene: Scene) -> None:
    """Each creates a session, asks for the state and for a minute of events, and terminates; again and again."""
    scene.only_worker()
    root = scene.api("root")
    assert root.send("PUT", "/admin/settings", {"max_active_sessions": 2 * USERS}).status == 200
    crowd = Crowd(scene)
    try:
        with scene.workload.running(pause=0.15):
            scene.workload.go_on(20)
            scene.api().wait_settled(now(scene.app_dsn))
            crowd.work()
    finally:
        root.send("PUT", "/admin/settings", {"max_active_sessions": 5})
    scene.tell(f"{sum(crowd.answers.values())} answers: {dict(crowd.answers)}")
    scene.tell(f"settled time was behind by {median(crowd.lags):.1f} s, at most {max(crowd.lags):.1f} s")
    assert set(crowd.answers) == {("create", 200), ("state", 200), ("events", 200), ("terminate", 204)}
    assert median(crowd.lags) < 5, "who does not keep up falls back more and more"


class Crowd:
    """Users of two tenants.

    `answers` counts what they got; `lags` is how far settled time was behind, in seconds, in the database itself: an
    answer may have waited before it tells.
    """

    def __init__(self, scene: Scene) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        self.lags: list[float] = []
        sign, port = scene.stack.tokens.person, scene.worker.port
        self._users = [Api(port, sign(f"load-{n}", f"t{1 + n % 2}")) for n in range(USERS)]
        self._lag = partial(scene.query, _LAG)
        self._stop = threading.Event()

    def work(self) -> None:
        """All at once."""
        threads = [threading.Thread(target=self._live, args=(user,)) for user in self._users]
        for thread in threads:
            thread.start()
        try:
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                [(lag,)] = self._lag()
                self.lags.append(float(lag))
                self._stop.wait(0.5)
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _live(self, user: Api) -> None:
        while not self._stop.is_set():
            created = user.send("POST", "/session")
            self.answers["create", created.status] += 1
            state = user.state(headers={"Accept-Encoding": "gzip"})  # as browsers do
            self.answers["state", state.status] += 1
            until = state.settled_until if state.status == 200 else datetime.now(UTC) - timedelta(seconds=10)
            self.answers["events", user.events(until - timedelta(minutes=1), until).status] += 1
            if created.status == 200:
                path = f"/session/{created.json['data']['id']}"
                self.answers["terminate", user.send("DELETE", path).status] += 1
