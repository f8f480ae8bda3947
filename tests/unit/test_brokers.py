"""Faust and our own clients speak to the broker alike, and settings that contradict each other stop the start."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from msr_stream.brokers import client_arguments, credentials
from msr_stream.errors import SettingsError
from msr_stream.kafka_feed import KafkaFeed
from msr_stream.settings import Settings, load
from tests.certificates import Authority

LOGIN = {"KAFKA_SASL_USERNAME": "msr", "KAFKA_SASL_PASSWORD": "hunter2"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs certificates."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def given(required: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Reads the settings with these variables beside the required ones."""

    def read(**variables: object) -> Settings:
        for name, value in {**required, **variables}.items():
            monkeypatch.setenv(name, str(value))
        return load()

    return read


async def test_a_client_that_does_not_reach_the_broker_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the broker is away one is made twice a second."""
    stopped: list[object] = []

    async def start(_: AIOKafkaConsumer) -> None:
        raise KafkaConnectionError("nobody there")

    async def stop(consumer: AIOKafkaConsumer) -> None:
        stopped.append(consumer)
        await ended(consumer)

    ended = AIOKafkaConsumer.stop
    monkeypatch.setattr(AIOKafkaConsumer, "start", start)
    monkeypatch.setattr(AIOKafkaConsumer, "stop", stop)
    with pytest.raises(KafkaConnectionError):
        await KafkaFeed(None, {})._connected()
    assert len(stopped) == 1


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
def test_faust_and_our_own_clients_do_the_same(given: Any, authority: Authority, protocol: str) -> None:
    files = {"KAFKA_CA_FILE": authority.file} if "SSL" in protocol else {}
    settings = given(KAFKA_SECURITY_PROTOCOL=protocol, **files, **(LOGIN if "SASL" in protocol else {}))
    ours, fausts = client_arguments(settings), dict(credentials_to_aiokafka_auth(credentials(settings)))
    context, theirs = ours.pop("ssl_context"), fausts.pop("ssl_context", None)
    assert ours.pop("bootstrap_servers") == settings.kafka_brokers
    assert ours == fausts
    assert ours["security_protocol"] == protocol
    assert (context is None) == (theirs is None) == ("SSL" not in protocol)
    if context is not None:
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname
        assert len(context.get_ca_certs()) == len(theirs.get_ca_certs()) == 1
    if "SASL" in protocol:
        assert ours["sasl_mechanism"] == "SCRAM-SHA-512"
        assert (ours["sasl_plain_username"], ours["sasl_plain_password"]) == ("msr", "hunter2")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"KAFKA_SASL_USERNAME": "msr"},
            "KAFKA_SASL_USERNAME is set, but KAFKA_SECURITY_PROTOCOL is 'PLAINTEXT': wants 'SASL_PLAINTEXT' or",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_USERNAME": "msr"},
            "KAFKA_SASL_PASSWORD is not set: KAFKA_SECURITY_PROTOCOL 'SASL_SSL' wants it",
        ),
        (
            {"KAFKA_CA_FILE": "CA"},
            "KAFKA_CA_FILE is set, but KAFKA_SECURITY_PROTOCOL is 'PLAINTEXT': wants 'SSL' or 'SASL_SSL'",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_CERT_FILE": "CA"},
            "KAFKA_CERT_FILE and KAFKA_KEY_FILE: got one of them, wants both or neither",
        ),
        (
            {"DATABASE_SSL_CA_FILE": "CA", "DATABASE_SSL_MODE": "require"},
            "DATABASE_SSL_CA_FILE is set, but DATABASE_SSL_MODE is 'require': wants 'verify-ca' or 'verify-full'",
        ),
        ({"KAFKA_SASL_PASSWORD": "hunter2", "KAFKA_KEY_FILE": "CA"}, "KAFKA_SASL_PASSWORD is set, but"),
    ],
)
def test_settings_that_contradict_each_other_are_named(
    given: Any, authority: Authority, variables: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        given(**{name: authority.file if value == "CA" else value for name, value in variables.items()})
    message = str(caught.value)
    assert message.startswith(said)
    assert "\n" not in message
    assert "hunter2" not in message


@pytest.mark.parametrize("variable", ["KAFKA_CA_FILE", "DATABASE_SSL_CA_FILE"])
def test_a_file_of_authorities_holds_certificates(given: Any, tmp_path: Path, variable: str) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("not a certificate")
    with pytest.raises(SettingsError, match=f"{variable}: got .*ca.pem.*, wants a PEM file with certificates"):
        given(**{variable: file})
    with pytest.raises(SettingsError, match=f"{variable}: got 'nowhere.pem', wants the path of a file that exists"):
        given(**{variable: "nowhere.pem"})


def test_a_key_that_is_not_the_certificates_is_named(given: Any, authority: Authority) -> None:
    [certificate, key] = authority.sign("worker")
    [_, other] = authority.sign("another")
    given(KAFKA_SECURITY_PROTOCOL="SSL", KAFKA_CERT_FILE=certificate, KAFKA_KEY_FILE=key)
    settings = given(KAFKA_SECURITY_PROTOCOL="SSL", KAFKA_CERT_FILE=certificate, KAFKA_KEY_FILE=other)
    with pytest.raises(
        SettingsError, match=r"KAFKA_CERT_FILE and KAFKA_KEY_FILE: got .* want a certificate and its key"
    ):
        client_arguments(settings)


def test_the_brokers_password_is_shown_nowhere(given: Any) -> None:
    settings = given(KAFKA_SECURITY_PROTOCOL="SASL_PLAINTEXT", **LOGIN)
    assert "hunter2" not in repr(settings) + str(settings) + repr(credentials(settings))


@pytest.mark.parametrize("origins", ["*", "https://c2.example.org/", "c2.example.org", "https://a.org,ftp://b.org"])
def test_an_origin_is_a_scheme_a_host_and_a_port(given: Any, origins: str) -> None:
    with pytest.raises(SettingsError, match=r"CORS_ORIGINS: got .*, wants origins such as https://host"):
        given(CORS_ORIGINS=origins)
