"""Kafka Connect's REST interface: which connectors capture a source, how they are, and a new start for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import aiohttp

from msr_stream.errors import Unavailable

#: Also where nothing is sent: Connect refuses what aiohttp would name without it (415).
_HEADERS = {"Content-Type": "application/json"}


class Task(NamedTuple):
    """A connector's task; of a failed one the first line of its trace."""

    id: int
    state: str
    trace: str | None = None


class Connector(NamedTuple):
    """A connector; `source` is its `topic.prefix`."""

    name: str
    source: str
    state: str
    tasks: list[Task]


class Connectors:
    """Kafka Connect, asked anew each time.

    Args:
        url: of its REST interface; empty: there is none.
        patience: longest wait for an answer, seconds.
    """

    def __init__(self, url: str, patience: float = 5.0) -> None:
        self._url = url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=patience)

    async def all(self) -> list[Connector]:
        """Every connector that captures a source.

        Raises:
            Unavailable: Connect is not configured, not reached, or answers with an error.
        """
        return read_connectors(await self._ask("GET", "/connectors?expand=info&expand=status"))

    async def restart(self, name: str) -> None:
        """Start a connector and all its tasks anew.

        Raises:
            Unavailable: as above.
        """
        await self._ask("POST", f"/connectors/{quote(name, safe='')}/restart?includeTasks=true&onlyFailed=false")

    async def _ask(self, method: str, target: str) -> Any:
        if not self._url:
            raise Unavailable("Kafka Connect is not configured: set CONNECT_URL")
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeout) as session,
                session.request(method, self._url + target, headers=_HEADERS) as response,
            ):
                if response.status >= 400:
                    raise Unavailable(f"Kafka Connect answers {response.status}: {_line(await response.text())}")
                return await response.json(content_type=None) if response.status == 200 else None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            kind = type(error).__name__  # its text may hold the address, and that a password
            raise Unavailable(f"Kafka Connect at {urlsplit(self._url).hostname} does not answer ({kind})") from error


def read_connectors(answer: Any) -> list[Connector]:
    """The connectors with a `topic.prefix`, from an answer expanded with info and status; by name. Pure."""
    found = [_connector(name, about) for name, about in sorted(answer.items())]
    return [connector for connector in found if connector.source]


def _connector(name: str, about: Mapping[str, Any]) -> Connector:
    status = about.get("status") or {}
    config = (about.get("info") or {}).get("config") or {}
    tasks = [
        Task(task["id"], task["state"], _line(task["trace"]) if task.get("trace") else None)
        for task in status.get("tasks") or []
    ]
    state = (status.get("connector") or {}).get("state", "UNKNOWN")
    return Connector(name, config.get("topic.prefix", ""), state, tasks)


def _line(text: str) -> str:
    """The first line that says something, at most so long that it is read."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")[:500]
