"""The settings as a file of variables: `python -m msr_stream settings --env`, and docker/.env.example."""

from __future__ import annotations

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from msr_stream.settings import Settings

#: What such a deployment has to set, with the values that fit docker/compose.yaml.
EXAMPLES = {
    "database_host": "msr-db",
    "database_name": "history",
    "database_user": "aoh_msr_user",
    "database_password": "change-me",
    "kafka_brokers": "redpanda:9092",
    "iams_keycloak_url": "http://localhost:8081/realms/aoh",
    "iams_jwks_url": "http://keycloak:8080/realms/aoh/protocol/openid-connect/certs",
}

_HEAD = """\
# Every setting of a worker, as `python -m msr_stream settings --env` prints them.
# What is set here has to be; the values are examples. What stands behind a # shows its default.
# A value with a $, a # or a space goes into single quotes.
"""


def env_file() -> str:
    """Every variable with what it does: those to be set with an example, the others with their default."""
    return _HEAD + "".join(_entry(name, field) for name, field in Settings.model_fields.items())


def _entry(name: str, field: FieldInfo) -> str:
    # Two have a default: no password, which is good for a trusting database on the same machine only, and the keys
    # below the realm's address, which in containers is not the one that browsers have.
    if name in EXAMPLES:
        return f"\n# {field.description}\n{name.upper()}={EXAMPLES[name]}\n"
    # What is made anew in every process is not a default to show.
    default = None if name == "worker_name" else field.get_default(call_default_factory=True)
    return f"\n# {field.description}\n#{name.upper()}={_text(default)}\n"


def _text(value: object) -> str:
    """A value as it is written in the environment."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, dict):
        return ",".join(f"{key}={_text(one)}" for key, one in value.items())
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    return f"'{text}'" if any(character in text for character in " $#\\") else text
