"""How the history database is reached, and its read replica, if there is one."""

from __future__ import annotations

import ssl
from typing import Any, TypeAlias

import asyncpg

from msr_stream.instants import POSTGRES_EPOCH
from msr_stream.settings import Settings

Connection: TypeAlias = Any  # asyncpg is untyped
_WATCHED = {"client_connection_check_interval": "1s"}


def connect_arguments(settings: Settings) -> dict[str, Any]:
    """How to reach the history database, for asyncpg."""
    return {
        "host": settings.database_host,
        "port": settings.database_port,
        "database": settings.database_name,
        "user": settings.database_user,
        "password": settings.database_password.get_secret_value() or None,
        "ssl": _tls(settings),
        "timeout": 5,
    }


def read_arguments(settings: Settings) -> dict[str, Any]:
    """How to reach what answers are read from: the read replica if one is named, else the history database itself."""
    if not settings.database_read_host:
        return connect_arguments(settings)
    port = settings.database_read_port or settings.database_port
    return connect_arguments(settings) | {"host": settings.database_read_host, "port": port}


async def connect_watched(*where: Any, server_settings: dict[str, str], **more: Any) -> Connection:
    """A connection whose statements end when the client is gone: the server looks every second, where it can.

    Without that, a statement that has nothing to send yet is worked on for nobody.
    """
    try:
        return await asyncpg.connect(*where, server_settings=server_settings | _WATCHED, **more)
    except asyncpg.InvalidParameterValueError:  # a server on Windows
        return await asyncpg.connect(*where, server_settings=server_settings, **more)


async def use_instants(connection: Connection) -> None:
    """Let `timestamptz` pass as microseconds since 1970."""
    await connection.set_type_codec(
        "timestamptz",
        schema="pg_catalog",
        format="tuple",
        encoder=lambda instant: (instant - POSTGRES_EPOCH,),
        decoder=lambda parts: parts[0] + POSTGRES_EPOCH,
    )


def _tls(settings: Settings) -> ssl.SSLContext | bool:
    mode = settings.database_ssl_mode
    if mode == "disable":
        return False
    context = ssl.create_default_context(cafile=settings.database_ssl_ca_file)
    context.check_hostname = mode == "verify-full"
    if mode == "require":
        context.verify_mode = ssl.CERT_NONE
    return context
