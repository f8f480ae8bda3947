"""The environment that importing the application needs; nothing here is reached."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest

REQUIRED = {
    "DATABASE_HOST": "127.0.0.1",
    "DATABASE_NAME": "history",
    "DATABASE_USER": "aoh_msr_user",
    "KAFKA_BROKERS": "127.0.0.1:9",
    "IAMS_KEYCLOAK_URL": "http://localhost/realms/msr",
}

_folder = tempfile.TemporaryDirectory(prefix="msr-unit-")
_jwks = Path(_folder.name) / "jwks.json"
_jwks.write_text(json.dumps({"keys": []}))

# `web` and `msr_stream.app` build the application when they are imported: before any fixture runs.
for _name, _value in {**REQUIRED, "IAMS_JWKS_FILE": str(_jwks), "DATA_DIR": _folder.name}.items():
    os.environ.setdefault(_name, _value)


@pytest.fixture
def required(tmp_path: Path) -> dict[str, str]:
    """Every variable without which a worker does not start."""
    jwks = tmp_path / "jwks.json"
    jwks.write_text("{}")
    return {**REQUIRED, "IAMS_JWKS_FILE": str(jwks)}
