"""`python -m msr_stream check`: is everything there that a worker needs, and what to do where it is not.

It only looks: a worker may run beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import aiohttp
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from msr_stream.brokers import client_arguments
from msr_stream.discovery import cdc_topics
from msr_stream.errors import MsrError, SettingsError, SourceError, StorageError
from msr_stream.keys import KeySet
from msr_stream.settings import Settings, load
from msr_stream.source.slots import slot_states
from msr_stream.source.survey import connected
from msr_stream.store.inspection import Inspection, inspect
from msr_stream.store.replica import inspect_replica

#: Longest wait for one part, seconds.
_PATIENCE = 8.0


class Finding(NamedTuple):
    """One line.

    Attributes:
        level: whether something has to be done.
        subject: the thing.
        found: how it is.
        advice: what to do, where something is to be done.
    """

    level: Literal["ok", "warning", "error"]
    subject: str
    found: str
    advice: str = ""

    def __str__(self) -> str:
        advice = f"; {self.advice}" if self.advice else ""
        return f"{self.level:<8} {self.subject}: {self.found}{advice}".replace("\n", " ")


async def check() -> list[Finding]:
    """Look at everything; without settings there is nothing to look at."""
    try:
        settings = load()
    except SettingsError as error:
        advice = "set them so; all of them: `python -m msr_stream settings`"
        return [Finding("error", "settings", str(error), advice)]
    found = await asyncio.gather(
        *(look(settings) for look in (_database, _replica, _broker, _connectors, _identity, _slots))
    )
    given = f"{len(settings.model_fields_set)} given, all valid"
    return [Finding("ok", "settings", given), *(finding for part in found for finding in part)]


async def _database(settings: Settings) -> list[Finding]:
    where = f"{settings.database_name} on {settings.database_host}:{settings.database_port}"
    try:
        found = await inspect(settings)
    except StorageError as error:
        advice = "see that it runs and that DATABASE_HOST, _PORT, _NAME, _USER, _PASSWORD and _SSL_MODE are right"
        return [Finding("error", "database", f"{where} does not answer: {error}", advice)]
    return [*_server(found, where), _schema(found, settings.database_schema), _clock(found)]


def _server(found: Inspection, where: str) -> list[Finding]:
    text = f"{where} is PostgreSQL {found.version}" + (
        f" with TimescaleDB {found.timescaledb}" if found.timescaledb else ""
    )
    if found.major < 15:
        return [Finding("error", "database", text, "upgrade it: 15 or newer is needed")]
    if found.standby:
        return [Finding("error", "database", f"{text}, a standby", "give workers the primary: they write")]
    return [Finding("ok", "database", text)]


def _schema(found: Inspection, schema: str) -> Finding:
    if not found.may_create:
        return Finding(
            "error", "schema", f"{schema}: this role may not create in it", f"GRANT CREATE ON SCHEMA {schema}"
        )
    if found.tables_of_others:
        text = f"{schema}: {found.tables_of_others} tables belong to another role"
        return Finding("error", "schema", text, "connect as their owner, or hand them over: ALTER TABLE … OWNER TO")
    if found.schema_version is None:
        return Finding("ok", "schema", f"{schema}: not there yet, the first worker prepares it")
    versions = f"{schema}: version {found.schema_version}, this program knows {found.newest}"
    if found.schema_version > found.newest:
        return Finding("error", "schema", versions, "use the newer program")
    if found.schema_version < found.newest:
        return Finding("warning", "schema", versions, "the next worker that starts brings it up to date")
    return Finding("ok", "schema", versions)


def _clock(found: Inspection) -> Finding:
    off = abs(found.ahead)
    text = f"{off:.3f} s {'behind' if found.ahead > 0 else 'ahead of'} the database's"
    if off < 1:
        return Finding("ok", "clock", text)
    return Finding(
        "error" if off > 10 else "warning", "clock", text, "set both machines' clocks by the same NTP server"
    )


async def _replica(settings: Settings) -> list[Finding]:
    if not settings.database_read_host:
        return []
    where = f"{settings.database_read_host}:{settings.database_read_port or settings.database_port}"
    advice = "see DATABASE_READ_HOST and _READ_PORT: without it answers about the past are 503"
    try:
        found = await inspect_replica(settings)
    except StorageError as error:
        return [Finding("error", "read replica", f"{where} cannot be looked at: {error}", advice)]
    if found.trouble is not None:
        return [Finding("error", "read replica", f"{where} {found.trouble}", advice)]
    if found.itself:
        return [Finding("warning", "read replica", f"{where} is the history database itself", "name it no replica")]
    slow = "answers end that far before now: see what holds it up" if found.lag > 10 else ""
    return [Finding("warning" if slow else "ok", "read replica", f"{where} is {found.lag:.1f} s behind", slow)]


async def _broker(settings: Settings) -> list[Finding]:
    address = ",".join(settings.kafka_brokers)
    try:
        topics = await asyncio.wait_for(_topics(settings), _PATIENCE)
    except (KafkaError, OSError, TimeoutError, MsrError) as error:
        reason = str(error) or type(error).__name__
        advice = "see that it runs and that KAFKA_BROKERS, KAFKA_SECURITY_PROTOCOL and KAFKA_SASL_… are right"
        return [Finding("error", "broker", f"{address} does not answer: {reason}", advice)]
    return [Finding("ok", "broker", f"{address} answers"), *_found_topics(topics, settings)]


async def _topics(settings: Settings) -> dict[str, int]:
    client = AIOKafkaAdminClient(**client_arguments(settings), request_timeout_ms=5000)
    try:
        await client.start()
        described = await client.describe_topics()
    finally:
        await client.close()
    return {topic["topic"]: len(topic["partitions"]) for topic in described if topic["error_code"] == 0}


def _found_topics(topics: dict[str, int], settings: Settings) -> list[Finding]:
    cdc = cdc_topics(topics, settings)
    findings = [Finding("ok", "topics", f"{len(cdc)} with {sum(cdc.values())} partitions to record")]
    if not cdc:
        advice = "see that a connector runs and that CDC_TOPICS matches its topics; workers find them when they come"
        findings = [Finding("warning", "topics", f"of {len(topics)} none is to be recorded", advice)]
    signals, partitions = settings.signal_topic, topics.get(settings.signal_topic)
    if partitions is None:
        advice = "create it with one partition: without it no snapshot can be asked for"
        findings.append(Finding("error", "signal topic", f"{signals} does not exist", advice))
    elif partitions != 1:
        advice = "make it anew with one: Debezium reads no other"
        findings.append(Finding("error", "signal topic", f"{signals} has {partitions} partitions", advice))
    else:
        findings.append(Finding("ok", "signal topic", f"{signals} has one partition"))
    if settings.dead_letter_topic not in topics:
        advice = "create it; until then dead letters are in the database alone"
        findings.append(Finding("warning", "dead-letter topic", f"{settings.dead_letter_topic} does not exist", advice))
    return findings


async def _connectors(settings: Settings) -> list[Finding]:
    url = settings.connect_url.rstrip("/")
    if not url:
        return [Finding("ok", "connectors", "not looked at: CONNECT_URL is not set")]
    try:
        connectors: dict[str, Any] = await _get_json(f"{url}/connectors?expand=status")
        states = {name: _states(about["status"]) for name, about in connectors.items()}
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(error) or type(error).__name__
        advice = "see that Kafka Connect runs and that CONNECT_URL is right"
        return [Finding("error", "connectors", f"{url} does not answer: {reason}", advice)]
    if not states:
        return [Finding("warning", "connectors", f"{url} has none", "register one: docker/connect says how")]
    return [_connector(name, *state) for name, state in states.items()]


def _states(status: dict[str, Any]) -> tuple[list[str], str]:
    """Of the connector and its tasks; and the first line of what went wrong."""
    parts = [status["connector"], *status["tasks"]]
    trace = next((part["trace"] for part in parts if part.get("trace")), "")
    return [part["state"] for part in parts], trace.split("\n", 1)[0]


def _connector(name: str, states: Sequence[str], reason: str) -> Finding:
    if len(states) > 1 and set(states) == {"RUNNING"}:
        return Finding("ok", f"connector {name}", f"it and {len(states) - 1} task RUNNING")
    text = f"{states[0]}, its tasks {', '.join(states[1:]) or 'none'}" + (f": {reason}" if reason else "")
    if "FAILED" in states:
        return Finding("error", f"connector {name}", text, "mend what it says, then restart it")
    return Finding("warning", f"connector {name}", text, "resume it, unless it is meant to stand still")


async def _identity(settings: Settings) -> list[Finding]:
    where = str(settings.iams_jwks_file or settings.iams_jwks_url or settings.iams_keycloak_url)
    advice = "without keys no token is accepted: see IAMS_KEYCLOAK_URL, IAMS_JWKS_URL and IAMS_JWKS_FILE"
    try:
        keys = KeySet.from_settings(settings)
    except SettingsError as error:
        return [Finding("error", "identity", f"no key set: {error}", advice)]
    await keys.refresh()
    if not keys.reachable:
        return [Finding("error", "identity", f"no key set from {where}: {keys.trouble}", advice)]
    return [Finding("ok", "identity", f"{len(keys.ids)} keys from {where}, issuer {settings.iams_keycloak_url}")]


async def _get_json(url: str) -> Any:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PATIENCE), raise_for_status=True) as session,
        session.get(url) as answer,
    ):
        return await answer.json(content_type=None)


async def _slots(settings: Settings) -> list[Finding]:
    found = await asyncio.gather(*(_source(*item) for item in settings.source_dsns.items()))
    return [finding for part in found for finding in part]


async def _source(source: str, dsn: Any) -> list[Finding]:
    try:
        async with connected(dsn.get_secret_value()) as connection:
            slots = await slot_states(connection)
    except SourceError as error:
        advice = "see that it runs and that SOURCE_DSNS is right"
        return [Finding("error", f"source {source}", str(error), advice)]
    if not slots:
        return [
            Finding("warning", f"source {source}", "no replication slot yet", "the connector makes it when it starts")
        ]
    return [
        Finding(
            "ok" if slot.advice is None else "error" if slot.wal_status in ("lost", "unreserved") else "warning",
            f"source {source}",
            f"slot {slot.name} {slot.wal_status}, {slot.lag_bytes or 0:,} bytes behind",
            slot.advice or "",
        )
        for slot in slots
    ]
