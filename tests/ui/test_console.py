"""The console in a browser, against a whole stack: each file of web/ui/e2e is a test of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import psycopg
import pytest
from msr_local.stack import Stack
from msr_local.waiting import wait_until

UI = Path(__file__).parents[2] / "web" / "ui"
STORIES = sorted(path.name for path in (UI / "e2e").glob("*.e2e.ts"))
#: A row that no other part of the application touches.
STATION, WIND = "E2E-1", 41.5


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
        source.execute(
            "INSERT INTO ops.weather (station, wind_kn, rain_mm, gusts, readings, observed_at)"
            " VALUES (%s, %s, 0, '{}', '{}', now()) ON CONFLICT DO NOTHING",
            (STATION, WIND),
        )
    return stack


@pytest.mark.timeout(600)
@pytest.mark.parametrize("story", STORIES)
def test_people_see_the_past_in_their_browser(marked: Stack, story: str) -> None:
    where = {
        "MSR_URL": f"http://127.0.0.1:{marked.ports.app}",
        "MSR_TOKENS": json.dumps(marked.tokens.ensure()),
        "MSR_MARKER": json.dumps({"key": f"ops.weather:{STATION}", "wind_kn": WIND}),
    }
    ran = subprocess.run(
        ["npm", "run", "--silent", "e2e", "--", f"e2e/{story}"],
        cwd=UI, env={**os.environ, **where, "NO_COLOR": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    print(ran.stdout)
    assert ran.returncode == 0, ran.stdout + ran.stderr
