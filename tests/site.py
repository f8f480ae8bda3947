"""Some routes of a worker, served on a port, with a real database behind them and no broker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from msr_local.tokens import Tokens

from msr_stream.runtime import Runtime
from msr_stream.settings import Settings
from msr_stream.testing import MemoryBroker, MemoryFeed
from tests.unit import conftest as environment
from web.routes import Route
from web.server import serve

assert environment.REQUIRED  # importing `web` builds the application, which wants an environment

Client: TypeAlias = TestClient[web.Request, web.Application]


def known(settings: Settings, folder: Path, **changes: Any) -> Settings:
    """The settings, so that the people whose tokens lie in a folder are known."""
    tokens = Tokens(folder)
    tokens.ensure()
    return settings.model_copy(
        update={"iams_keycloak_url": tokens.issuer, "iams_jwks_file": tokens.jwks_file, "max_lateness": 0.0, **changes}
    )


@asynccontextmanager
async def site(
    settings: Settings, folder: Path, routes: Sequence[Route]
) -> AsyncIterator[tuple[Client, dict[str, str], Runtime]]:
    """A client, alice's headers, and the worker's parts. Commands to sessions go nowhere."""

    async def nobody(*_: object) -> Any:
        raise AssertionError("this is not asked for")

    async def nowhere(*_: object) -> None:
        pass

    headers = {"Authorization": f"Bearer {Tokens(folder).ensure()['alice']}"}
    runtime = Runtime(settings, MemoryFeed(MemoryBroker(), lambda _: None, lambda: 1), nobody, nobody, nowhere)
    await runtime.database.open()
    try:
        application = web.Application(client_max_size=1 << 20)
        serve(application, list(routes), settings, lambda: runtime)
        async with TestClient(TestServer(application)) as client:
            yield client, headers, runtime
    finally:
        await runtime.close()
