"""Clips imported from files: a whole one or nothing, and by the command line."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from msr_stream.errors import ClipError
from msr_stream.instants import render
from msr_stream.settings import Settings
from tests.clip_site import Site, site

#: `request["correlation_id"]` is short and known to every module of `web`.
pytestmark = pytest.mark.filterwarnings("ignore::aiohttp.web_exceptions.NotAppKeyWarning")


@pytest.fixture
async def told(settings: Settings, tmp_path: Path) -> AsyncIterator[Site]:
    async with site(settings, tmp_path) as found:
        yield found


async def test_nothing_of_a_broken_file_is_imported(told: Site) -> None:
    """The error names the line, or the message."""
    lines = (await told.export("ndjson")).splitlines(keepends=True)
    last = len(lines)
    for broken, said in (
        (lines[:-1], "it was cut"),
        ([*lines[:3], lines[3][:-9]], "line 4: the line does not end"),
        ([*lines[:3], b"{}\n", *lines[4:]], "line 4: Object missing required field"),
        ([lines[0], lines[1], lines[1], *lines[2:-1], recount(lines[-1])], "line 3: an entity that is in the state"),
        ([*lines[:-1], recount(lines[-1])], f"line {last}: it counts"),
        ([*lines, lines[-1]], f"line {last + 1}: nothing may come after"),
        ([*lines[:2], lines[-2], *lines[2:]], "line 4: a row of the state after an event"),
        (lines[1:], "line 1: "),
        ([lines[0].replace(b'"msr_clip":1', b'"msr_clip":2'), *lines[1:]], "line 1: this is a clip of version 2"),
        ([], "no clip"),
        ([lines[0].replace(b'"incomplete":[]', b'"incomplete":["\\u0000"]'), *lines[1:]], "the database refuses"),
        (
            [
                *lines[:3],
                lines[3].replace(b'"entity_id":"', b'"entity_id":"' + os.urandom(9000).hex().encode()),
                *lines[4:],
            ],
            "the database refuses",
        ),
    ):
        with pytest.raises(ClipError, match=said):
            await told.put(b"".join(broken))
    content = await told.export("mcap")
    for length in (20, len(content) // 2, len(content) - 9, len(content) - 1):
        with pytest.raises(ClipError):
            await told.put(content[:length])
    assert (await told.w.fetch("SELECT count(*) FROM clip"))[0][0] == 0
    assert (await told.w.fetch("SELECT count(*) FROM clip_event"))[0][0] == 0


def recount(line: bytes) -> bytes:
    """An ending that counts one row of the state more."""
    found = json.loads(line)
    return (
        json.dumps(found | {"count": found["count"] + 1, "state": found["state"] + 1}, separators=(",", ":")).encode()
        + b"\n"
    )


def command(settings: Settings, *arguments: str) -> tuple[int, str, str]:
    """Run `python -m msr_stream …` with a worker's settings; returns its exit code and what it said."""
    wanted = (
        "database_host",
        "database_port",
        "database_name",
        "database_user",
        "database_schema",
        "iams_keycloak_url",
    )
    variables = {name.upper(): str(getattr(settings, name)) for name in wanted}
    variables |= {"KAFKA_BROKERS": settings.kafka_brokers[0], "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-m", "msr_stream", *arguments],
        env=variables, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


async def test_the_command_line_imports_lists_and_deletes(told: Site, tmp_path: Path) -> None:
    """Its tenant is named, never taken from the file; an error is one line."""
    settings, file = told.parts.settings, tmp_path / "a.ndjson"
    file.write_bytes(await told.export("ndjson"))

    async def run(*arguments: str) -> tuple[int, str, str]:
        return await asyncio.to_thread(command, settings, *arguments)

    assert (await run("import", "clip", str(file)))[0] == 2
    code, clip_id, said = await run("import", "clip", str(file), "--tenant", "t2", "--name", "Exercise 7")
    assert (code, said) == (0, "")
    assert len(await told.data("/replay/state", "bob", source=f"clip:{clip_id.strip()}")) == 3
    code, listed, _ = await run("clips")
    assert code == 0
    assert listed.startswith(f"{clip_id.strip()}  t2  {render(told.moments[1])}/{render(told.moments[-2])}  3+")
    assert listed.endswith("  Exercise 7\n")
    assert await run("clips", "delete", clip_id.strip()) == (0, "", "")
    code, _, said = await run("clips", "delete", clip_id.strip())
    assert (code, said) == (1, f"msr: there is no clip {clip_id.strip()}\n")
    file.write_bytes(b"\n")
    code, _, said = await run("import", "clip", str(file), "--tenant", "t2")
    assert code == 1
    assert said.startswith("msr: line 1: ")
    assert said.count("\n") == 1
    assert await run("clips") == (0, "", "")
