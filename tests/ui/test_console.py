"""The console in a browser, against a whole stack: each file of web/ui/e2e is a test of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import psycopg
import pytest
from msr_local.stack import Stack
from msr_local.waiting import wait_until

from tests.ui.preparing import prepare

UI = Path(__file__).parents[2] / "web" / "ui"
STORIES = sorted(path.name for path in (UI / "e2e").glob("*.e2e.ts"))
#: A row that no other part of the application touches.
STATION, WIND = "E2E-1", 41.5
#: Every character of it that is not a letter means something in an address.
ODD_STATION = "E2E/2 ?#100% é"
MARKER = json.dumps({"key": f"ops.weather:{STATION}", "odd": f"ops.weather:{ODD_STATION}", "wind_kn": WIND})
#: So long is the clip that stories replay.
CLIPPED = timedelta(seconds=8)


@pytest.fixture(scope="session")
def marked(stack: Stack) -> Stack:
    """A row is written as the application writes it; the browser has to see it."""
    with psycopg.connect(stack.postgres.dsn("source", "app"), autocommit=True) as source:
        # The simulator begins by deleting rows that it does not know: after the third movement it has long done so.
        seen = set()

        def moves() -> bool:
            seen.add(source.execute("SELECT max(updated_at) FROM air.flight").fetchone())
            return len(seen) > 3

        wait_until(moves, 60, "the simulator moves")
        for station in (STATION, ODD_STATION):
            source.execute(
                "INSERT INTO ops.weather (station, wind_kn, rain_mm, gusts, readings, observed_at)"
                " VALUES (%s, %s, 0, '{}', '{}', now()) ON CONFLICT DO NOTHING",
                (station, WIND),
            )
    return stack


@pytest.fixture(scope="session")
def clip(marked: Stack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Some seconds of what moves, exported and put back as a clip: its id, and from when to when it is."""
    url, token = f"http://127.0.0.1:{marked.ports.app}/replay", marked.tokens.ensure()["alice"]

    def get(path: str, **query: str) -> bytes:
        request = urllib.request.Request(
            f"{url}/{path}?{urlencode(query)}", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request) as answer:
            body: bytes = answer.read()
        return body

    def settled() -> datetime:
        until = json.loads(get("range"))["data"]["settled_until"]
        return datetime.fromisoformat(until) if until else datetime.min.replace(tzinfo=UTC)

    start = datetime.now(UTC)
    wait_until(lambda: settled() > start + CLIPPED, 60, "it settles")
    window = {"start": start.isoformat(), "end": (start + CLIPPED).isoformat()}
    file = tmp_path_factory.mktemp("clip") / "some.ndjson"
    file.write_bytes(get("export", **window, format="ndjson"))
    done = subprocess.run(
        [sys.executable, "-m", "msr_stream", "import", "clip", str(file), "--tenant", "t1"],
        env={**os.environ, **marked.workers[0].environment()}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {"id": done.stdout.strip(), **window}


@pytest.fixture(scope="session")
def prepared(marked: Stack) -> dict[str, str]:
    """What else the stories need, as environment variables."""
    return prepare(marked)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("story", STORIES)
def test_people_see_the_past_in_their_browser(
    marked: Stack, clip: dict[str, str], prepared: dict[str, str], story: str
) -> None:
    where = {
        "MSR_URL": f"http://127.0.0.1:{marked.ports.app}",
        "MSR_TOKENS": json.dumps(marked.tokens.ensure()),
        "MSR_MARKER": MARKER,
        "MSR_CLIP": json.dumps(clip),
    }
    ran = subprocess.run(
        ["npm", "run", "--silent", "e2e", "--", f"e2e/{story}"],
        cwd=UI, env={**os.environ, **where, **prepared, "NO_COLOR": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    print(ran.stdout)
    assert ran.returncode == 0, ran.stdout + ran.stderr
