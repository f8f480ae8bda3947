"""A wrong or missing setting stops the start with one line: the variable, what it got, what it wants."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from msr_stream.errors import SettingsError
from msr_stream.settings import Settings, load

VARIABLES = [name.upper() for name in Settings.model_fields]


@pytest.fixture
def environment(required: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing of ours is set but what must be."""
    for name in list(os.environ):
        if name.upper() in VARIABLES:
            monkeypatch.delenv(name)
    for name, value in required.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def _error() -> str:
    with pytest.raises(SettingsError) as caught:
        load()
    message = str(caught.value)
    assert "\n" not in message
    return message


def _got(environment: pytest.MonkeyPatch, variable: str, value: str) -> str:
    """The message for one wrong variable; it names that one alone."""
    environment.setenv(variable, value)
    message = _error()
    assert message.startswith(f"{variable}: got ")
    assert [name for name in VARIABLES if re.search(rf"\b{name}: got|\b{name} is not set", message)] == [variable]
    return message


@pytest.mark.usefixtures("environment")
def test_what_must_be_set_is_enough() -> None:
    settings = load()
    assert settings.app_port == 8080
    assert settings.database_schema == "msr"
    assert settings.kafka_brokers == ["127.0.0.1:9"]


@pytest.mark.usefixtures("environment")
def test_the_defaults_are_the_contracts() -> None:
    settings = load()
    assert (settings.log_level, settings.database_port, settings.database_ssl_mode) == ("info", 5432, "disable")
    assert settings.database_reader_role == "aoh_msr_reader"
    assert (settings.database_max_conns, settings.database_max_conn_lifetime) == (10, 600)
    assert (settings.session_timeout, settings.max_lateness, settings.source_silence) == (900, 10, 60)
    assert settings.tenant_column == "tenant_id"


@pytest.mark.parametrize(
    ("variable", "wants"),
    [
        ("DATABASE_HOST", "host of the history database"),
        ("DATABASE_NAME", "its name"),
        ("DATABASE_USER", "the user that owns the schema"),
        ("KAFKA_BROKERS", "host:port, several with commas"),
        ("IAMS_KEYCLOAK_URL", "the realm: issuer of the tokens"),
    ],
)
def test_a_missing_variable_is_named_with_what_it_is_for(
    environment: pytest.MonkeyPatch, variable: str, wants: str
) -> None:
    environment.delenv(variable)
    assert _error() == f"{variable} is not set: wants {wants}"


@pytest.mark.parametrize(
    ("variable", "got", "wants"),
    [
        ("LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("LOG_FORMAT", "xml", "'json' or 'text'"),
        ("APP_PORT", "http", "a valid integer"),
        ("APP_PORT", "", "a valid integer"),
        ("APP_PORT", "8080.5", "a valid integer"),
        ("APP_PORT", "0", "greater than or equal to 1"),
        ("APP_PORT", "65536", "less than or equal to 65535"),
        ("APP_ID", "a b", "pattern"),
        ("DATABASE_PORT", "0", "greater than or equal to 1"),
        ("DATABASE_PORT", "99999", "less than or equal to 65535"),
        ("DATABASE_SCHEMA", "", "pattern"),
        ("DATABASE_SCHEMA", "1", "pattern"),
        ("DATABASE_READER_ROLE", 'r" TO public; --', "pattern"),
        ("DATABASE_READER_ROLE", "", "pattern"),
        ("DATABASE_SSL_MODE", "prefer", "'disable', 'require', 'verify-ca' or 'verify-full'"),
        ("DATABASE_MAX_CONNS", "3", "greater than or equal to 4"),
        ("DATABASE_MAX_CONNS", "1001", "less than or equal to 1000"),
        ("REPLAY_CONCURRENCY", "0", "greater than or equal to 1"),
        ("KAFKA_BROKERS", "broker", "host:port[,host:port]"),
        ("KAFKA_BROKERS", "a:9092,b", "host:port[,host:port]"),
        ("KAFKA_BROKERS", "kafka://a:9092", "host:port[,host:port]"),
        ("KAFKA_BROKERS", "a:9092,", "host:port[,host:port]"),
        ("CDC_TOPICS", "(", "a regular expression (missing ), unterminated subpattern"),
        ("FETCH_MAX_BYTES", "1", "greater than or equal to 65536"),
        ("MESSAGE_MAX_BYTES", "1", "greater than or equal to 1048576"),
        ("ENTITY_CACHE_MB", "0", "greater than or equal to 1"),
        ("SOURCE_PREFIXES", "north", "name=value[,name=value]"),
        ("SOURCE_PREFIXES", "a=b,=c", "name=value[,name=value]"),
        ("TENANT_COLUMNS", "s.t=", "name=value[,name=value]"),
        ("IAMS_KEYCLOAK_URL", "realm", "an http or https URL"),
        ("IAMS_KEYCLOAK_URL", "ftp://x", "an http or https URL"),
        ("IAMS_JWKS_URL", "certs", "an http or https URL"),
        ("IAMS_JWKS_FILE", "/nowhere/jwks.json", "the path of a file that exists"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_wanted(
    environment: pytest.MonkeyPatch, variable: str, got: str, wants: str
) -> None:
    message = _got(environment, variable, got)
    assert wants in message
    assert got in message


@pytest.mark.parametrize(
    "variable",
    [
        "DATABASE_MAX_CONN_LIFETIME", "REPLAY_PATIENCE", "SESSION_TIMEOUT", "GROUP_SESSION_TIMEOUT", "MAX_LATENESS",
        "SETTLE_GRACE", "SOURCE_SILENCE",
    ],
)  # fmt: skip
@pytest.mark.parametrize("got", ["soon", "", " ", "10 parsecs", "-5s", "1h30m", "inf", "nan", "1e3"])
def test_a_wrong_duration_is_named_with_examples(environment: pytest.MonkeyPatch, variable: str, got: str) -> None:
    assert _got(environment, variable, got).endswith(f"got {got!r}, wants a duration such as 250ms, 10s, 15m or 1h")


def test_a_duration_of_nothing_is_refused(environment: pytest.MonkeyPatch) -> None:
    assert "greater than 0" in _got(environment, "SESSION_TIMEOUT", "0s")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25), ("0.25", 0.25), ("10", 10), ("10s", 10), ("10 sec", 10), ("15m", 900), ("15 min", 900),
        ("1h", 3600), ("2d", 172_800), ("1.5h", 5400), (" 10s ", 10),
    ],
)  # fmt: skip
def test_a_duration_has_a_unit_or_is_in_seconds(environment: pytest.MonkeyPatch, text: str, seconds: float) -> None:
    environment.setenv("SESSION_TIMEOUT", text)
    assert load().session_timeout == seconds


def test_everything_that_is_wrong_is_said_at_once_on_one_line(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("APP_PORT", "x\ny")
    environment.setenv("LOG_LEVEL", "loud")
    environment.delenv("DATABASE_HOST")
    message = _error()
    assert len(message.split("; ")) == 3
    assert all(name in message for name in ("APP_PORT", "LOG_LEVEL", "DATABASE_HOST"))


def test_lists_and_pairs_are_written_with_commas(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("KAFKA_BROKERS", "a:9092, b.example.org:19092")
    environment.setenv("SOURCE_PREFIXES", "p=north, q = south,")
    environment.setenv("TENANT_COLUMNS", "s.t=owner")
    environment.setenv("SOURCE_DSNS", "p=postgresql://u:x@h/db?a=b")
    settings = load()
    assert settings.kafka_brokers == ["a:9092", "b.example.org:19092"]
    assert settings.source_prefixes == {"p": "north", "q": "south"}
    assert settings.tenant_columns == {"s.t": "owner"}
    dsns = {source: dsn.get_secret_value() for source, dsn in settings.source_dsns.items()}
    assert dsns == {"p": "postgresql://u:x@h/db?a=b"}


def test_names_may_be_written_small_and_strangers_are_left_alone(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("app_port", "9000")
    environment.setenv("SOMETHING_ELSE", "1")
    assert load().app_port == 9000


def test_a_realm_is_the_same_with_and_without_a_slash_at_its_end(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("IAMS_KEYCLOAK_URL", "https://id.example.org/realms/aoh/")
    assert load().iams_keycloak_url == "https://id.example.org/realms/aoh"


def test_the_key_set_must_be_a_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "the path of a file that exists" in _got(environment, "IAMS_JWKS_FILE", str(tmp_path))


@pytest.mark.parametrize("value", ["", None])
def test_without_a_file_or_an_address_keys_come_from_the_realm(
    environment: pytest.MonkeyPatch, value: str | None
) -> None:
    """Also where a composition sets what is not given to nothing."""
    for name in ("IAMS_JWKS_FILE", "IAMS_JWKS_URL"):
        environment.delenv(name, raising=False)
        if value is not None:
            environment.setenv(name, value)
    assert (load().iams_jwks_file, load().iams_jwks_url) == (None, "")


def test_a_password_is_shown_nowhere(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_PASSWORD", "hunter2")
    assert "hunter2" not in repr(load()) + str(load())
    environment.setenv("APP_PORT", "x")
    assert "hunter2" not in _error()


def test_a_password_in_a_wrong_dsn_is_shown_nowhere(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SOURCE_DSNS", "postgresql://reader:hunter2@host/db")
    assert "hunter2" not in _error()


def test_a_password_in_a_dsn_is_not_part_of_the_settings_text(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SOURCE_DSNS", "p=postgresql://reader:hunter2@host/db")
    assert "hunter2" not in repr(load())


def test_a_port_of_a_replica_without_its_host_is_a_contradiction(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_READ_PORT", "5433")
    assert _error() == "DATABASE_READ_PORT: got 5433, but DATABASE_READ_HOST is not set: wants both"
    environment.setenv("DATABASE_READ_HOST", "replica")
    assert load().database_read_port == 5433


@pytest.mark.parametrize("schema", ['x"; DROP SCHEMA public; --', "My Schema", "a" * 64, "1a"])
def test_a_schema_is_a_plain_name(environment: pytest.MonkeyPatch, schema: str) -> None:
    assert "DATABASE_SCHEMA" in _got(environment, "DATABASE_SCHEMA", schema)


@pytest.mark.parametrize(
    "variable", ["DATABASE_HOST", "DATABASE_NAME", "DATABASE_USER", "KAFKA_BROKERS", "TENANT_COLUMN"]
)
def test_a_variable_set_to_nothing_is_wrong(environment: pytest.MonkeyPatch, variable: str) -> None:
    environment.setenv(variable, "")
    assert _error().startswith(f"{variable}: got '', wants ")


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_says_what_it_is(name: str) -> None:
    assert Settings.model_fields[name.lower()].description


def test_settings_do_not_change_once_read(environment: pytest.MonkeyPatch) -> None:
    settings = load()
    with pytest.raises(ValueError, match="frozen"):
        settings.app_port = 1  # type: ignore[misc]
    environment.setenv("APP_PORT", "9000")
    assert settings.app_port == 8080
