"""How the broker is spoken to: in the clear or with TLS, logged in or not; alike by Faust and by our own clients."""

from __future__ import annotations

import ssl
from typing import Any

from faust.auth import SASLCredentials, SSLCredentials
from faust.types.auth import CredentialsT

from msr_stream.errors import SettingsError
from msr_stream.settings import Settings


def client_arguments(settings: Settings) -> dict[str, Any]:
    """What an aiokafka client must be given to reach the broker.

    Raises:
        SettingsError: certificate and key cannot be read, or do not fit.
    """
    protocol = settings.kafka_security_protocol
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_brokers,
        "security_protocol": protocol,
        "ssl_context": _tls(settings),
    }
    if "SASL" in protocol:
        arguments |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": settings.kafka_sasl_password.get_secret_value(),
        }
    return arguments


def credentials(settings: Settings) -> CredentialsT | None:
    """The same as Faust takes it.

    Raises:
        SettingsError: certificate and key cannot be read, or do not fit.
    """
    context = _tls(settings)
    if "SASL" in settings.kafka_security_protocol:
        return SASLCredentials(
            mechanism=settings.kafka_sasl_mechanism,
            username=settings.kafka_sasl_username,
            password=settings.kafka_sasl_password.get_secret_value(),
            ssl_context=context,
        )
    return SSLCredentials(context) if context is not None else None


def _tls(settings: Settings) -> ssl.SSLContext | None:
    """A context that verifies the broker and its name."""
    if "SSL" not in settings.kafka_security_protocol:
        return None
    context = ssl.create_default_context(cafile=settings.kafka_ca_file)
    if settings.kafka_cert_file is not None:
        try:
            context.load_cert_chain(settings.kafka_cert_file, settings.kafka_key_file, lambda: "")
        except (ssl.SSLError, OSError) as error:
            got = f"{str(settings.kafka_cert_file)!r} and {str(settings.kafka_key_file)!r}"
            raise SettingsError(
                f"KAFKA_CERT_FILE and KAFKA_KEY_FILE: got {got}, want a certificate and its key, PEM ({error})"
            ) from error
    return context
