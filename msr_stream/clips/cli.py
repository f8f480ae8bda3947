"""`python -m msr_stream import clip …` and `clips …`: for who administers the history."""

from __future__ import annotations

import asyncio
import getpass
import uuid
from io import BufferedReader, FileIO
from pathlib import Path

import click

from msr_stream import logs
from msr_stream.clips.reading import Clip
from msr_stream.errors import ClipError
from msr_stream.identity import Caller
from msr_stream.paging import MOST, Page
from msr_stream.settings import load
from msr_stream.store.audit import Actor
from msr_stream.store.clips import Clips
from msr_stream.store.database import Database


@click.group("import")
def import_() -> None:
    """Put something into the history database."""


@import_.command("clip")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--tenant", required=True, help="Whose it will be: nobody else sees any of it.")
@click.option("--name", help="For people to read; else the file's.")
def import_clip(file: Path, tenant: str, name: str | None) -> None:
    """Put an exported clip (ndjson or MCAP) back as a world of its own; prints its id."""
    name = name or file.name
    if not tenant.strip() or "\0" in tenant + name:
        raise ClipError("a tenant has a name, and no name holds a NUL character")
    click.echo(str(asyncio.run(_import(file, tenant, name))))


@click.group(invoke_without_command=True)
@click.pass_context
def clips(context: click.Context) -> None:
    """The newest clips of all tenants, one a line: id, tenant, window, rows, name."""
    if context.invoked_subcommand is None:
        for line in asyncio.run(_list()):
            click.echo(line)


@clips.command()
@click.argument("clip_id", type=click.UUID)
def delete(clip_id: uuid.UUID) -> None:
    """Delete a clip, whosever it is."""
    asyncio.run(_delete(clip_id))


async def _import(file: Path, tenant: str, name: str) -> uuid.UUID:
    with BufferedReader(FileIO(file), 1 << 20) as opened:
        return await Clips(_database()).put(Clip(opened), name, tenant, _actor())


async def _delete(clip_id: uuid.UUID) -> None:
    await Clips(_database()).delete(clip_id, None, _actor())


async def _list() -> list[str]:
    database = _database()
    await database.open()
    try:
        rows, _ = await Clips(database).page(Page(1, MOST), None)
        return [
            f"{row['id']}  {row['tenant_id']}  {row['start']}/{row['end']}  "
            f"{row['state_rows']}+{row['event_rows']}  {row['name']}"
            for row in rows
        ]
    finally:
        await database.close()


def _database() -> Database:
    logs.configure("error", "text")
    return Database(load())


def _actor() -> Actor:
    """Whoever has this shell: the audit names the account."""
    account = getpass.getuser()
    return Actor(Caller(f"shell:{account}", account, None, frozenset()), str(uuid.uuid4()))
