"""What the texts of the environment become: durations, lists, pairs, files; and what contradicts itself."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

if TYPE_CHECKING:
    from msr_stream.settings import Settings

#: `10m`, `15 min`, `90s`, `0.25`: a number of seconds unless a unit follows.
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|sec|m|min|h|d)?")
_UNITS = {None: 1.0, "ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BROKER = re.compile(r"[A-Za-z0-9_.-]+:\d{1,5}")
#: An origin as browsers send it (RFC 6454, section 6.2).
_ORIGIN = re.compile(r"https?://[a-z0-9.\-\[\]:]+")


def duration(text: str) -> float:
    """Seconds.

    Raises:
        ValueError: it is no duration; the message says what one looks like.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError("a duration such as 250ms, 10s, 15m or 1h")
    return float(match[1]) * _UNITS[match[2]]


def address(text: str) -> str:
    """An address without a slash at its end.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(r"https?://\S+", text):
        raise ValueError("an http or https URL")
    return text.rstrip("/")


def _seconds(value: object) -> object:
    return duration(value) if isinstance(value, str) else value


def _optional_address(text: str) -> str:
    return address(text) if text else text


def _texts(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _pairs(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(",") if part.strip()]
    if not all(key.strip() and found and right.strip() for key, found, right in pairs):
        raise ValueError("name=value[,name=value]")
    return {key.strip(): right.strip() for key, _, right in pairs}


def _brokers(value: object) -> object:
    brokers = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if not isinstance(brokers, list) or not all(_BROKER.fullmatch(str(broker)) for broker in brokers):
        raise ValueError("host:port[,host:port]")
    return brokers


def _origins(value: list[str]) -> list[str]:
    if not all(_ORIGIN.fullmatch(origin) for origin in value):
        raise ValueError("origins such as https://host or http://host:port, nothing after them")
    return value


def _file(value: Path | None) -> Path | None:
    if value is not None and not value.is_file():
        raise ValueError("the path of a file that exists")
    return value


def _authorities(value: Path | None) -> Path | None:
    if value is not None:
        try:
            ssl.create_default_context(cafile=value)
        except OSError as error:
            raise ValueError(f"a PEM file with certificates of authorities ({error})") from error
    return value


def _no_text(value: object) -> object:
    return None if value == "" else value


Seconds = Annotated[float, NoDecode, BeforeValidator(_seconds), Field(gt=0)]
Texts = Annotated[list[str], NoDecode, BeforeValidator(_texts)]
Origins = Annotated[list[str], NoDecode, AfterValidator(_origins), BeforeValidator(_texts)]
Brokers = Annotated[list[str], NoDecode, BeforeValidator(_brokers)]
Pairs = Annotated[dict[str, str], NoDecode, BeforeValidator(_pairs)]
SecretPairs = Annotated[dict[str, SecretStr], NoDecode, BeforeValidator(_pairs)]
OptionalUrl = Annotated[str, AfterValidator(_optional_address)]
OptionalFile = Annotated[Path | None, BeforeValidator(_no_text), AfterValidator(_file)]
Authorities = Annotated[Path | None, BeforeValidator(_no_text), AfterValidator(_file), AfterValidator(_authorities)]


def contradictions(settings: Settings) -> Iterator[str]:
    """What is set although something else says that it has no meaning, or is missing although something needs it."""
    protocol = settings.kafka_security_protocol
    sasl, tls = "SASL" in protocol, "SSL" in protocol
    login = {
        "KAFKA_SASL_USERNAME": bool(settings.kafka_sasl_username),
        "KAFKA_SASL_PASSWORD": bool(settings.kafka_sasl_password.get_secret_value()),
    }
    files = {
        "KAFKA_CA_FILE": settings.kafka_ca_file is not None,
        "KAFKA_CERT_FILE": settings.kafka_cert_file is not None,
        "KAFKA_KEY_FILE": settings.kafka_key_file is not None,
    }
    for name, given in login.items():
        if given and not sasl:
            yield f"{name} is set, but KAFKA_SECURITY_PROTOCOL is {protocol!r}: wants 'SASL_PLAINTEXT' or 'SASL_SSL'"
        if sasl and not given:
            yield f"{name} is not set: KAFKA_SECURITY_PROTOCOL {protocol!r} wants it"
    for name, given in files.items():
        if given and not tls:
            yield f"{name} is set, but KAFKA_SECURITY_PROTOCOL is {protocol!r}: wants 'SSL' or 'SASL_SSL'"
    if files["KAFKA_CERT_FILE"] != files["KAFKA_KEY_FILE"]:
        yield "KAFKA_CERT_FILE and KAFKA_KEY_FILE: got one of them, wants both or neither"
    if settings.database_read_port and not settings.database_read_host:
        yield f"DATABASE_READ_PORT: got {settings.database_read_port}, but DATABASE_READ_HOST is not set: wants both"
    if settings.database_ssl_ca_file is not None and not settings.database_ssl_mode.startswith("verify-"):
        mode = settings.database_ssl_mode
        yield f"DATABASE_SSL_CA_FILE is set, but DATABASE_SSL_MODE is {mode!r}: wants 'verify-ca' or 'verify-full'"
