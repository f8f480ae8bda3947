"""Settings, read from the environment once: what each is called, what it may be, what it does.

A wrong value stops the start with one line that names the variable, what it got and what it wants.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from socket import gethostname
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from msr_stream.errors import SettingsError
from msr_stream.settings_types import (
    Authorities,
    Brokers,
    OptionalFile,
    OptionalUrl,
    Origins,
    Pairs,
    Seconds,
    SecretPairs,
    Texts,
    address,
    contradictions,
)


class Settings(BaseSettings):
    """Every setting of a worker. The variable's name is the field's, in capitals."""

    model_config = SettingsConfigDict(case_sensitive=False, extra="ignore", frozen=True)

    # The process
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severe line logged")
    log_format: Literal["json", "text"] = Field("json", description="json, or text for a terminal")
    app_port: int = Field(8080, ge=1, le=65535, description="port of the HTTP API")
    metrics_port: int = Field(9464, ge=0, le=65535, description="port of the Prometheus metrics; 0: none")
    cors_origins: Origins = Field(default_factory=list, description="origins whose pages may call the API, with commas")
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
    database_read_host: str = Field("", description="host of a read replica, for answers; the same for all workers")
    database_read_port: int = Field(0, ge=0, le=65535, description="the replica's port; 0: DATABASE_PORT")
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
    database_ssl_ca_file: Authorities = Field(None, description="authorities that it verifies, PEM; else the system's")
    database_max_conns: int = Field(10, ge=4, le=1000, description="connections of one worker, at most")
    database_max_idle_conns: int = Field(10, ge=0, le=1000, description="accepted; idle connections are closed by age")
    database_max_conn_lifetime: Seconds = Field(600.0, description="a connection is made anew after this (10m)")
    chunk_interval: Annotated[Seconds, Field(ge=3600)] = Field(
        86400.0, description="how much time a chunk holds from now on (1d); TimescaleDB alone"
    )
    replay_concurrency: int = Field(
        3, ge=1, le=100, description="answers read at a time, as far as DATABASE_MAX_CONNS allows: 3 of 10, 11 of 20"
    )
    replay_connections_per_answer: int = Field(
        2, ge=1, le=16, description="connections that read one large answer, as long as nobody waits for them"
    )
    replay_patience: Seconds = Field(10.0, description="longest an answer waits for its turn; then 503")
    redis_url: SecretStr = Field(SecretStr(""), description="redis://...: keeps answers for all workers; empty: memory")
    segment_memory_mb: int = Field(64, ge=0, description="memory of a worker for answers that are kept, MB")
    segment_largest_mb: int = Field(16, ge=1, description="largest answer that is kept, compressed, MB")
    segment_lifetime: Seconds = Field(3600.0, description="an answer is kept in Redis for so long (1h)")
    spool_mb: int = Field(
        1024, ge=0, description="disk of a worker (in DATA_DIR) for what slow readers have not taken yet, MB; 0: none"
    )
    replays_per_user: int = Field(8, ge=1, description="answers one user may have under way; then 429")

    # The broker
    kafka_brokers: Brokers = Field(description="host:port, several with commas")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how the broker is spoken to"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="how a worker logs in, when the protocol has SASL"
    )
    kafka_sasl_username: str = Field("", description="as whom it logs in")
    kafka_sasl_password: SecretStr = Field(SecretStr(""), description="that user's password")
    kafka_ca_file: Authorities = Field(None, description="authorities of the broker, PEM; else the system's")
    kafka_cert_file: OptionalFile = Field(None, description="a worker's own certificate, PEM, if the broker wants one")
    kafka_key_file: OptionalFile = Field(None, description="that certificate's key, PEM")
    cdc_topics: str = Field(
        r"[^_].*\.[^.]+\.[^.]+", description="regular expression that the whole name of a CDC topic matches"
    )
    dead_letter_topic: str = Field("msr.dead_letter", description="topic with a copy of each dead letter")
    signal_topic: str = Field("msr.debezium_adhoc_snapshots", description="topic that asks Debezium for a snapshot")
    notification_topic: str = Field(
        "msr.debezium_notifications", description="topic on which Debezium tells of snapshots"
    )
    connect_url: OptionalUrl = Field("", description="address of Kafka Connect's REST interface; empty: none")
    fetch_max_bytes: int = Field(1 << 20, ge=1 << 16, description="bytes fetched from one partition at a time")
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
        default_factory=dict,
        description="schema.table=column,...: where it is another column; a row without it is nobody's",
    )
    entity_cache_mb: int = Field(64, ge=1, description="memory for what is known of entities, MB in all")

    keyframe_factor: float = Field(
        2.0, ge=0.1, le=100, description="a shard's keyframes are so many events per live entity apart"
    )
    keyframe_floor: int = Field(1000, ge=1, description="and never fewer events than this")

    # Identity
    iams_keycloak_url: str = Field(description="the realm: issuer of the tokens")
    iams_jwks_url: OptionalUrl = Field("", description="where to fetch its key set, if not below the realm itself")
    iams_jwks_file: OptionalFile = Field(None, description="a file with its key set (JWKS), read instead")
    iams_audience: str = Field("", description="audience a token must have, when set")
    admin_roles: Texts = Field(["tenant-admin", "system-admin"], description="roles that may administer")
    system_admin_roles: Texts = Field(["system-admin"], description="those of them that administer all tenants")
    iams_tenant_claim: str = Field("active_tenant", description="claim that holds the active tenant")

    console_client_id: str = Field("msr-console", min_length=1, description="the console's public client in the realm")

    @property
    def worker(self) -> str:
        """The name of this worker: in the log, and of the topic with the answers it gets."""
        return self.worker_name or f"{gethostname()}-{self.app_port}"

    @field_validator("cdc_topics")
    @classmethod
    def _regular(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"a regular expression ({error})") from error
        return value

    @field_validator("iams_keycloak_url")
    @classmethod
    def _realm(cls, value: str) -> str:
        return address(value)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if found := list(contradictions(self)):
            raise ValueError("; ".join(found))
        return self


def explain(error: ValidationError) -> str:
    """One line for all that is wrong: variable, what it got, what it wants."""
    return "; ".join(
        _explain_one(str(one["loc"][0]), one["type"], one["msg"], one["input"])
        if one["loc"]
        else one["msg"].removeprefix("Value error, ")
        for one in error.errors()
    )


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
