"""Prints the API's description (`make openapi`), without a worker: the console's types are made from it."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from typing import Any

import orjson

# What a worker must be told before its application is built, when it is imported; nothing of it is reached.
os.environ.update({
    "DATABASE_HOST": "localhost",
    "DATABASE_NAME": "history",
    "DATABASE_USER": "msr",
    "KAFKA_BROKERS": "localhost:9092",
    "IAMS_KEYCLOAK_URL": "http://localhost/realms/msr",
})  # fmt: skip

from msr_stream.app import app
from web.openapi import Description
from web.routes import ALL_ROUTES

if __name__ == "__main__":
    server: Any = app.web.web_app  # type: ignore[attr-defined]
    made = Description(server[ALL_ROUTES], version("msr-stream")).document
    sys.stdout.buffer.write(orjson.dumps(made, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
