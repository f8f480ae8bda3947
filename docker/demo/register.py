"""Registers the demo's connector: docker/connect/postgres-source.json, filled in from the environment.

Runs to its end, again at every start; the same settings again change nothing.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from msr_stream.errors import SourceError
from msr_stream.source.connector import render

#: The template's placeholders, which are variables here too.
VALUES = (
    "NAME", "TOPIC_PREFIX", "DATABASE_HOST", "DATABASE_PORT", "DATABASE_NAME", "DATABASE_USER", "DATABASE_PASSWORD",
    "KAFKA_BROKERS", "PARTITIONS", "SLOT_NAME", "PUBLICATION_NAME",
)  # fmt: skip


def register(template: Path, connect_url: str, environment: Mapping[str, str]) -> None:
    """Create or change the connector.

    Args:
        template: Its settings, with placeholders.
        connect_url: Kafka Connect's REST interface.
        environment: What the placeholders stand for.

    Raises:
        SourceError: A variable is missing, or Connect did not take the settings.
    """
    values = {name: environment[name] for name in VALUES if name in environment}
    body = json.dumps(render(template.read_text(), values)).encode()
    address = f"{connect_url}/connectors/{values['NAME']}/config"
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"}, method="PUT")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            print(f"connector {values['NAME']}: {answer.status}")
    except urllib.error.HTTPError as error:
        raise SourceError(f"Connect refused the connector: {error.read().decode(errors='replace')}") from error
    except OSError as error:
        raise SourceError(f"Connect does not answer at {connect_url}: {error}") from error


if __name__ == "__main__":
    try:
        register(Path(sys.argv[1]), sys.argv[2], os.environ)
    except SourceError as error:
        sys.exit(f"msr: {error}")
