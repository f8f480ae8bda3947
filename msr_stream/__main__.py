"""`python -m msr_stream …`: what an operator does beside running workers."""

from __future__ import annotations

import sys

import click

from msr_stream.errors import MsrError
from msr_stream.source.cli import source


@click.group()
def cli() -> None:
    """MSR, multi-session replay."""


cli.add_command(source)


def main() -> None:
    """Run a command; what goes wrong is one line."""
    try:
        cli()
    except MsrError as error:
        sys.exit(f"msr: {error}")


if __name__ == "__main__":
    main()
