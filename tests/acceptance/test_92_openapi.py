"""The API answers as its description says, whatever it is asked: no undocumented status, no 500.

A 503 is no fault where it is described: moments are asked for that earlier answers have told, and on a busy machine
some of them settle later than an answer waits for.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import Scene

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance", "unsupported_method",
)  # fmt: skip
#: An endless answer, files whose types differ, and probes that may rightly say 503.
LEFT_OUT = ("/session/{id}/follow", "/replay/live", "/docs/{name}", "/readiness", "/readyz", "/admin/retention/run")
#: What is no server error.
EXPECTED = """[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 503]
"""
PARTS = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript", "start.js": "text/javascript"}


@pytest.fixture(autouse=True)
def _settings_as_before(scene: Scene) -> Iterator[None]:
    """Whoever may change the settings has changed them at random."""
    scene.only_worker()
    before = scene.api("root").get("/admin/settings").json["data"]
    yield
    assert scene.api("root").send("PUT", "/admin/settings", before).status == 200


@pytest.mark.timeout(600)
@pytest.mark.parametrize("person", ["alice", "root"])
def test_what_is_asked_at_random_is_answered_as_described(scene: Scene, person: str, tmp_path: Path) -> None:
    """Alice meets the bounds of a user, root gets behind them."""
    config = tmp_path / "schemathesis.toml"
    config.write_text(EXPECTED)
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config),
        "run", f"{scene.worker.url}/openapi.json",
        "--header", f"Authorization: Bearer {scene.tokens[person]}", "--checks", ",".join(CHECKS),
        "--phases", "examples,coverage,fuzzing", "--max-examples", "12", "--seed", "1", "--no-color",
        "--suppress-health-check", "all", "--continue-on-failure",
    ]  # fmt: skip
    for path in LEFT_OUT:
        command += ["--exclude-path", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500, cwd=tmp_path)
    scene.tell(done.stdout[-1500:])
    assert done.returncode == 0, done.stdout[-6000:]


def test_no_operation_is_left_out_of_the_description(scene: Scene) -> None:
    """The page and its parts come from the worker alone."""
    api = scene.api(None)
    described = api.get("/openapi.json").json
    assert described["openapi"] == "3.1.0"
    assert {"/session", "/replay/state", "/admin/settings", "/admin/sources"} <= set(described["paths"])
    page = api.get("/docs")
    assert page.status == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert b"http://" not in page.body
    assert b"https://" not in page.body
    for part, kind in PARTS.items():
        answer = api.get(f"/docs/{part}")
        assert (answer.status, answer.headers["content-type"].split(";")[0]) == (200, kind)
    assert api.get("/docs/..%2Fapp.py").status == 404
