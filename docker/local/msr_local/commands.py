"""What `python -m msr_local` can do, one function a command."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from msr_local import java, maven, records
from msr_local.console import say
from msr_local.errors import HaltedError, LocalError
from msr_local.options import Options
from msr_local.order import reap
from msr_local.supervisor import NAME, Supervisor, endpoints_file, read_endpoints

STOP_LIMIT = 40.0


def demo(options: Options) -> None:
    """Everything in the foreground, until Ctrl-C."""
    if records.find(options.root, NAME) is not None:
        raise LocalError("it is running already: `make status` says where, `make down` stops it")
    _preflight(options)
    supervisor = Supervisor(options, say)
    supervisor.start()
    _show(options)
    say("Ctrl-C stops all of it; the data stay until `make clean`")
    try:
        supervisor.watch()
    finally:
        say("stopping")
        supervisor.stop()


def up(options: Options) -> None:
    """Everything in the background; returns when all of it answers."""
    if records.find(options.root, NAME) is not None:
        if read_endpoints(options.root) is None:
            raise LocalError("it is starting or stopping already: `make down` stops it")
        say("it is running already")
        return _show(options)
    _preflight(options)
    process = subprocess.Popen(
        [sys.executable, "-m", "msr_local", "supervise"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        assert process.stdout is not None
        for line in process.stdout:  # ends when all of it answers, or when it failed
            say(line.rstrip())
        if read_endpoints(options.root) is None:
            process.wait(STOP_LIMIT)
    except KeyboardInterrupt:
        say("stopping")
        process.terminate()
        process.wait(STOP_LIMIT)
        raise HaltedError("stopped") from None
    if process.poll() is not None:
        raise SystemExit(process.returncode)
    return _show(options)


def supervise(options: Options) -> None:
    """The background process of `up`: tells it what is ready, then works in silence."""
    supervisor = Supervisor(options, lambda text: _tell_or_stop(supervisor, text))
    supervisor.start()
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    try:
        supervisor.watch()
    finally:
        supervisor.stop()


def down(options: Options) -> None:
    """Stop what `up` started, also if its supervisor was killed."""
    supervisor = records.reap(options.root, [NAME], {}, STOP_LIMIT)
    orphans = reap(options.root)
    endpoints_file(options.root).unlink(missing_ok=True)
    if not supervisor and not orphans:
        say("nothing was running")
    else:
        say("stopped")


def clean(options: Options) -> None:
    """Stop it, and remove its folder with everything in it."""
    if options.root.exists() and not (options.root / "run").exists() and any(options.root.iterdir()):
        raise LocalError(f"LOCAL_DIR is {options.root}, which holds something else; remove it by hand")
    down(options)
    shutil.rmtree(options.root, ignore_errors=True)


def status(options: Options) -> None:
    """Where everything is, and whether it lives."""
    endpoints = read_endpoints(options.root)
    if endpoints is None or records.find(options.root, NAME) is None:
        raise LocalError("nothing is running: `make up` starts it")
    for name in records.names(options.root):
        process = records.find(options.root, name)
        say(f"  {name:<12} {'is gone' if process is None else f'lives, process {process.pid}'}")
    _show(options)


def _preflight(options: Options) -> None:
    """Say what is missing or taken before anything is started."""
    java.check_java()
    if not java.Jars(options.root / "kafka").is_complete():
        maven.find_maven()
    for name in reap(options.root):
        say(f"ended {name}, left by a run that was killed")
    options.ports.check(options.workers)


def _show(options: Options) -> None:
    endpoints = read_endpoints(options.root)
    if endpoints is None:
        return
    tokens = _short(options.root / "tokens")
    api = endpoints["api"]
    say()
    say(f"  API              {api}")
    say(f"  source database  {endpoints['source_dsn']}")
    say(f"  history          {endpoints['history_dsn']}")
    say(f"  Kafka            {endpoints['kafka']}")
    say(f"  Kafka Connect    {endpoints['connect']}")
    say(f"  metrics          {', '.join(endpoints['metrics'])}")
    say(f"  tokens           {tokens}/ of {', '.join(endpoints['tokens'])}")
    say(f"  logs             {os.path.relpath(options.root / 'log')}/")
    say()
    say("  The console, as alice:")
    say(f"    {api}/#token={endpoints['tokens']['alice']}")
    say("  The API's page, likewise:")
    say(f"    {api}/docs#token={endpoints['tokens']['alice']}")
    say()
    say("  The world as alice sees it now:")
    say(f'    curl -s -H "Authorization: Bearer $(cat {tokens}/alice)" {api}/replay/state | head -c 600')
    say("  and as it was at a moment:")
    say(f'    curl -s -H "Authorization: Bearer $(cat {tokens}/alice)" \\')
    say(f"      \"{api}/replay/state?timestamp=$(date -u -d '10 seconds ago' +%FT%TZ)\" | head -c 600")
    say()


def _short(path: Path) -> str:
    """The path from here, if it is below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _tell_or_stop(supervisor: Supervisor, text: str) -> None:
    """Tell `up`; when it is gone before the start is done, nobody wants this stack."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        supervisor.halt.set()
