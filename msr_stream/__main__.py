"""`python -m msr_stream …`: what an operator does beside running workers."""

from __future__ import annotations

import asyncio
import sys

import click

from msr_stream import checks, logs
from msr_stream.errors import MsrError
from msr_stream.settings import Settings
from msr_stream.source.cli import source


@click.group()
def cli() -> None:
    """MSR, multi-session replay."""


cli.add_command(source)


@cli.command()
def settings() -> None:
    """Every setting of a worker: its variable, its default, what it does."""
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
