"""`python -m msr_stream source …`: for the DBA of a source database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import click

from msr_stream.errors import MsrError
from msr_stream.source import check as checking
from msr_stream.source.prepare import Plan, Step, Wish, needs_superuser, refusal, script
from msr_stream.source.survey import Remark, carry_out, connected, make_plan, read_remarks, read_server

_dsn = click.option("--dsn", required=True, envvar="SOURCE_DSN", help="The source database, as a libpq URI.")
_publication = click.option("--publication", default="msr_publication", show_default=True, help="Its publication.")


@click.group()
def source() -> None:
    """Set up a source database for the capture, and look after it."""


@source.command()
@_dsn
@_publication
@click.option("--capture-role", help="The connector's user: is granted what it needs.")
@click.option("--schema", "schemas", multiple=True, help="Capture these only; else all, also later ones.")
@click.option("--dry-run", is_flag=True, help="Show the SQL and change nothing.")
def prepare(dsn: str, publication: str, capture_role: str | None, schemas: tuple[str, ...], dry_run: bool) -> None:
    """Have every table captured, also those created later; can be repeated at any time."""
    wish = Wish(publication, capture_role, tuple(sorted(set(schemas))) or None)
    try:
        asyncio.run(_prepare(dsn, wish, dry_run=dry_run))
    except MsrError as error:
        raise click.ClickException(str(error)) from error


@source.command()
@_dsn
@_publication
@click.option("--slot", help="The connector's slot; else every one it could be.")
def check(dsn: str, publication: str, slot: str | None) -> None:
    """Say whether a source is captured, and what to do where it is not (exit code 1)."""
    try:
        findings = asyncio.run(_check(dsn, publication, slot))
    except MsrError as error:
        raise click.ClickException(str(error)) from error
    for finding in findings:
        level = "note " if finding.note else "ok   " if finding.ok else "WRONG"
        click.echo(f"{level}  {finding.subject}: {finding.text}")
    if not all(finding.ok for finding in findings):
        raise SystemExit(1)


async def _prepare(dsn: str, wish: Wish, *, dry_run: bool) -> None:
    async with connected(dsn) as connection:
        server = await read_server(connection, wish)
        if reason := refusal(server, wish):
            raise MsrError(reason)
        plan = await make_plan(connection, server, wish)
        other = needs_superuser(server, plan)
        if plan and (dry_run or other):
            click.echo(script(plan))
        if other and not dry_run:
            raise MsrError(other)
        if other:
            click.echo(f"-- {other}", err=True)
        if not dry_run:
            _say_done(await carry_out(connection, server, wish))
        elif not plan:
            click.echo("-- Nothing to do.")
        _say_remarks(await read_remarks(connection, wish), dry_run=dry_run)


async def _check(dsn: str, publication: str, slot: str | None) -> list[checking.Finding]:
    async with connected(dsn) as connection:
        return await checking.check(connection, publication, slot)


def _say_done(steps: Iterable[Step]) -> None:
    """One line a step; what was installed is one thing to a reader."""
    plan = Plan(publish=tuple(steps))
    installed = [step for step in plan.publish if step.kind == "install"]
    if installed:
        click.echo(f"event triggers for tables created later: {len(installed)} statements, in msr_capture")
    for step in plan.publish:
        if step.kind != "install":
            click.echo(f"{step.explanation}: {step.statement}")
    if not plan:
        click.echo("Nothing to do.")


def _say_remarks(remarks: Iterable[Remark], *, dry_run: bool) -> None:
    """On stderr, so that the SQL of a dry run can be piped to psql."""
    for remark in remarks:
        click.echo(f"{'-- ' if dry_run else ''}Note: {remark.subject} {remark.text}.", err=True)
