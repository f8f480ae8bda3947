"""A clip of a living source is taken along, put back from the command line, and shows what was there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.acceptance.api import fold, text
from tests.acceptance.conftest import Scene
from tests.acceptance.verifier import now


def _import(scene: Scene, file: Path, tenant: str) -> str:
    """Put a clip back as an administrator does, with the worker's settings; returns its source."""
    done = subprocess.run(
        [sys.executable, "-m", "msr_stream", "import", "clip", str(file), "--tenant", tenant],
        env={**os.environ, **scene.worker.environment()}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return f"clip:{done.stdout.strip()}"


def test_a_clip_that_was_taken_while_recording_goes_on_is_the_history(scene: Scene, tmp_path: Path) -> None:
    """State and events of one snapshot: at any instant the clip's world is the recorded one, row by row."""
    scene.only_worker()
    api = scene.api("alice")
    start = now(scene.app_dsn)
    with scene.workload.running():
        api.wait_settled(start + timedelta(seconds=8))
        end = api.settled()
        assert end is not None
        window: dict[str, Any] = {"start": text(start + timedelta(seconds=2)), "end": text(end)}
        clips = {kind: api.get("/replay/export", **window, format=kind) for kind in ("ndjson", "mcap")}
    for kind, answer in clips.items():
        assert answer.status == 200, answer.body[:500]
        file = tmp_path / f"clip.{kind}"
        file.write_bytes(answer.body)
        source = _import(scene, file, "t1")
        state = api.get("/replay/state", timestamp=window["start"], source=source).rows
        events = api.get("/replay/events", **window, source=source).rows
        assert len(events) > 10
        assert events == api.get("/replay/events", **window).rows
        for part in (0.0, 0.3, 0.7, 1.0):
            moment = text(start + timedelta(seconds=2) + part * (end - start - timedelta(seconds=2)))
            recorded = {_key(row) for row in api.get("/replay/state", timestamp=moment).rows}
            assert {_key(row) for row in api.get("/replay/state", timestamp=moment, source=source).rows} == recorded
            until = [event for event in events if event["event_timestamp"] <= moment.replace("+00:00", "Z")]
            assert {_key(row) for row in fold(state, until).values()} == recorded
        assert scene.api("bob").get("/replay/state", source=source).status == 404
        path = f"/admin/clips/{source.removeprefix('clip:')}"
        assert scene.api("root").send("DELETE", path).status == 204
        assert api.get("/replay/state", source=source).status == 404


def _key(row: dict[str, Any]) -> str:
    return json.dumps(row, sort_keys=True)
