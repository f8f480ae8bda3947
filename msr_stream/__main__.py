"""`python -m msr_stream …`: what an operator does beside running workers."""

from __future__ import annotations

import asyncio
import sys

import click

from msr_stream import checks, logs
from msr_stream.clips.cli import clips, import_
from msr_stream.errors import MsrError
from msr_stream.settings import Settings
from msr_stream.settings_example import env_file
from msr_stream.source.cli import source
from msr_stream.tokens import token


@click.group()
def cli() -> None:
    """MSR, multi-session replay."""


cli.add_command(source)
cli.add_command(token)
cli.add_command(import_)
cli.add_command(clips)


@cli.command()
@click.option("--env", is_flag=True, help="As a file of variables, to be filled in.")
def settings(*, env: bool) -> None:
    """Every setting of a worker: its variable, its default, what it does."""
    if env:
        click.echo(env_file(), nl=False)
        return
    for name, field in Settings.model_fields.items():
        default = "required" if field.is_required() else repr(field.get_default(call_default_factory=True))
        click.echo(f"{name.upper():28} {default:24} {field.description}")


@cli.command()
def check() -> None:
    """Whether all that a worker needs is there, one line each; exit code 1 if something is wrong."""
    logs.configure("error", "text")
    findings = asyncio.run(checks.check())
    for finding in findings:
        click.echo(str(finding))
    if any(finding.level == "error" for finding in findings):
        raise SystemExit(1)


def main() -> None:
    """Run a command; what goes wrong is one line."""
    try:
        cli()
    except MsrError as error:
        sys.exit(f"msr: {error}")


if __name__ == "__main__":
    main()
