"""The one place that speaks to the person at the terminal."""

import sys


def say(text: str = "") -> None:
    """Print a line at once, also into a pipe; nobody listening is no error."""
    try:
        print(text, flush=True)
    except (BrokenPipeError, ValueError):
        sys.stdout = sys.stderr


def complain(text: str) -> None:
    """Print a line to standard error."""
    print(text, file=sys.stderr, flush=True)
