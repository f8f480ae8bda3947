"""`python -m msr_local demo|up|down|status|clean`: the services around MSR, without Docker."""

import argparse
import sys
from collections.abc import Callable

from msr_local import commands
from msr_local.console import complain
from msr_local.errors import HaltedError, LocalError
from msr_local.options import Options

COMMANDS: dict[str, Callable[[Options], None]] = {
    "demo": commands.demo,
    "up": commands.up,
    "down": commands.down,
    "clean": commands.clean,
    "status": commands.status,
    "supervise": commands.supervise,
}


def main() -> int:
    """Run one command; what goes wrong is one line."""
    parser = argparse.ArgumentParser(prog="python -m msr_local", description=__doc__)
    parser.add_argument("command", choices=COMMANDS, help="demo: until Ctrl-C; up and down: in the background")
    chosen = parser.parse_args().command
    try:
        COMMANDS[chosen](Options.from_environment())
    except (HaltedError, KeyboardInterrupt):
        return 130
    except LocalError as error:
        complain(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
