"""Settings, read from the environment once: what each is called, what it may be, what it does.

A wrong value stops the start with one line that names the variable, what it got and what it wants.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from socket import gethostname
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from msr_stream.errors import SettingsError

#: `10m`, `15 min`, `90s`, `0.25`: a number of seconds unless a unit follows.
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|sec|m|min|h|d)?")
_UNITS = {None: 1.0, "ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BROKER = re.compile(r"[A-Za-z0-9_.-]+:\d{1,5}")

Seconds = Annotated[float, NoDecode, Field(gt=0)]
Texts = Annotated[list[str], NoDecode]
Pairs = Annotated[dict[str, str], NoDecode]
SecretPairs = Annotated[dict[str, SecretStr], NoDecode]


def duration(text: str) -> float:
    """Seconds.

    Raises:
        ValueError: it is no duration; the message says what one looks like.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError("a duration such as 250ms, 10s, 15m or 1h")
    return float(match[1]) * _UNITS[match[2]]


class Settings(BaseSettings):
    """Every setting of a worker. The variable's name is the field's, in capitals."""

    model_config = SettingsConfigDict(case_sensitive=False, extra="ignore", frozen=True)

    # The process
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severe line logged")
    log_format: Literal["json", "text"] = Field("json", description="json, or text for a terminal")
    app_port: int = Field(8080, ge=1, le=65535, description="port of the HTTP API")
    metrics_port: int = Field(9464, ge=0, le=65535, description="port of the Prometheus metrics; 0: none")
    cors_origins: Texts = Field(default_factory=list, description="origins whose pages may call the API, with commas")
    app_id: str = Field("msr", pattern=r"^[A-Za-z0-9_.-]+$", description="consumer group and prefix of our topics")
    data_dir: Path = Field(Path("msr-data"), description="folder of this worker's own files")
    worker_name: str = Field(
        "", pattern=r"^[A-Za-z0-9_.-]{0,100}$", description="name of this worker, unique; empty: its host and port"
    )
    cleanup_service_enabled: bool = Field(True, description="whether this worker cleans up, e.g. unseen sessions")
    fault_point: str = Field("", description="for tests: where this worker kills or stops itself")

    # The history database
    database_host: str = Field(min_length=1, description="host of the history database")
    database_port: int = Field(5432, ge=1, le=65535, description="its port")
    database_name: str = Field(min_length=1, description="its name")
    database_user: str = Field(min_length=1, description="the user that owns the schema")
    database_password: SecretStr = Field(SecretStr(""), description="that user's password")
    database_schema: str = Field("msr", pattern=r"^[a-z_][a-z0-9_]{0,62}$", description="schema of all tables")
    database_reader_role: str = Field(
        "aoh_msr_reader",
        pattern=r"^[a-z_][a-z0-9_]{0,62}$",
        description="role without login that answers are read as: it sees one tenant's rows only",
    )
    database_ssl_mode: Literal["disable", "require", "verify-ca", "verify-full"] = Field(
        "disable", description="TLS to the database"
    )
    database_max_conns: int = Field(10, ge=4, le=1000, description="connections of one worker, at most")
    database_max_idle_conns: int = Field(10, ge=0, le=1000, description="accepted; idle connections are closed by age")
    database_max_conn_lifetime: Seconds = Field(600.0, description="a connection is made anew after this (10m)")
    replay_concurrency: int = Field(4, ge=1, le=100, description="answers read from the database at a time")
    replay_patience: Seconds = Field(10.0, description="longest an answer waits for its turn; then 503")
    replays_per_user: int = Field(8, ge=1, description="answers one user may have under way; then 429")

    # The broker
    kafka_brokers: Annotated[list[str], NoDecode] = Field(description="host:port, several with commas")
    cdc_topics: str = Field(
        r"[^_].*\.[^.]+\.[^.]+", description="regular expression that the whole name of a CDC topic matches"
    )
    dead_letter_topic: str = Field("msr.dead_letter", description="topic with a copy of each dead letter")
    signal_topic: str = Field("msr.debezium_adhoc_snapshots", description="topic that asks Debezium for a snapshot")
    connect_url: str = Field("", description="address of Kafka Connect's REST interface; empty: none")
    fetch_max_bytes: int = Field(5 << 18, ge=1 << 16, description="bytes fetched from one partition at a time")
    message_max_bytes: int = Field(32 << 20, ge=1 << 20, description="largest record that is read or written")
    topic_replication_factor: int = Field(1, ge=1, le=9, description="replicas of our own topics; 3 in production")
    session_partitions: int = Field(8, ge=1, le=256, description="partitions of the session topics; never changed")
    session_timeout: Seconds = Field(900.0, description="a session not seen for this turns INACTIVE (15m)")
    group_session_timeout: Seconds = Field(10.0, description="a worker not heard of for this loses its shards")

    # Recording
    max_lateness: Seconds = Field(10.0, description="a source without markers is settled up to this ago")
    settle_grace: Seconds = Field(0.25, description="how far settled time stays behind a marker")
    source_silence: Seconds = Field(60.0, description="a source silent for this no longer holds settled time back")
    source_prefixes: Pairs = Field(
        default_factory=dict, description="source=prefix,...: put before the table names of that source"
    )
    source_dsns: SecretPairs = Field(
        default_factory=dict, description="source=dsn,...: where a worker looks after replication slots"
    )
    tenant_column: str = Field("tenant_id", min_length=1, description="column that says whose a row is")
    tenant_columns: Pairs = Field(
        default_factory=dict, description="schema.table=column,...: where it is another column"
    )
    entity_cache_mb: int = Field(64, ge=1, description="memory for what is known of entities, MB in all")

    # Identity
    iams_keycloak_url: str = Field(description="the realm: issuer of the tokens")
    iams_jwks_url: str = Field("", description="where to fetch its key set, if not below the realm itself")
    iams_jwks_file: Path | None = Field(None, description="a file with its key set (JWKS), read instead")
    iams_audience: str = Field("", description="audience a token must have, when set")
    admin_roles: Texts = Field(["tenant-admin", "system-admin"], description="roles that may administer")
    system_admin_roles: Texts = Field(["system-admin"], description="those of them that administer all tenants")
    iams_tenant_claim: str = Field("active_tenant", description="claim that holds the active tenant")

    @property
    def worker(self) -> str:
        """The name of this worker: in the log, and of the topic with the answers it gets."""
        return self.worker_name or f"{gethostname()}-{self.app_port}"

    @field_validator("kafka_brokers", mode="before")
    @classmethod
    def _brokers(cls, value: object) -> object:
        brokers = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
        if not isinstance(brokers, list) or not all(_BROKER.fullmatch(str(broker)) for broker in brokers):
            raise ValueError("host:port[,host:port]")
        return brokers

    @field_validator("admin_roles", "system_admin_roles", "cors_origins", mode="before")
    @classmethod
    def _texts(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("cdc_topics")
    @classmethod
    def _regular(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"a regular expression ({error})") from error
        return value

    @field_validator(
        "database_max_conn_lifetime", "replay_patience", "session_timeout", "group_session_timeout",
        "max_lateness", "settle_grace", "source_silence", mode="before",
    )  # fmt: skip
    @classmethod
    def _seconds(cls, value: object) -> object:
        return duration(value) if isinstance(value, str) else value

    @field_validator("source_prefixes", "source_dsns", "tenant_columns", mode="before")
    @classmethod
    def _pairs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        if not all(key.strip() and found and right.strip() for key, found, right in pairs):
            raise ValueError("name=value[,name=value]")
        return {key.strip(): right.strip() for key, _, right in pairs}

    @field_validator("iams_keycloak_url", "iams_jwks_url")
    @classmethod
    def _url(cls, value: str, info: ValidationInfo) -> str:
        if not value and info.field_name == "iams_jwks_url":
            return value
        if not re.fullmatch(r"https?://\S+", value):
            raise ValueError("an http or https URL")
        return value.rstrip("/")

    @field_validator("iams_jwks_file", mode="before")
    @classmethod
    def _no_file(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("iams_jwks_file", mode="after")
    @classmethod
    def _file(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError("the path of a file that exists")
        return value


def explain(error: ValidationError) -> str:
    """One line for all that is wrong: variable, what it got, what it wants."""
    return "; ".join(_explain_one(str(one["loc"][0]), one["type"], one["msg"], one["input"]) for one in error.errors())


def _explain_one(field: str, kind: str, message: str, got: object) -> str:
    variable, about = field.upper(), Settings.model_fields[field]
    if kind == "missing":
        return f"{variable} is not set: wants {about.description}"
    wants = message.removeprefix("Value error, ").removeprefix("Input should be ")
    shown = "a value not shown" if "SecretStr" in str(about.annotation) else repr(got)
    return f"{variable}: got {shown}, wants {wants}"


def load() -> Settings:
    """Read the environment.

    Raises:
        SettingsError: a setting is missing or wrong; its message is one line.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(explain(error)) from error


@cache
def current() -> Settings:
    """The settings of this process, read at the first call."""
    return load()
