"""The house: packages are ours, contents complete, files short, no machine's paths in the tree."""

from __future__ import annotations

import re
import subprocess
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ["msr_stream", "agents", "tables", "web"]
LIMIT = 250


def _tracked() -> list[Path]:
    """What the next commit could hold: known to git, or new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("this is no git checkout")
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize("name", OURS)
def test_packages_are_ours(name: str) -> None:
    """No dependency installed another package under one of our generic names."""
    assert Path(import_module(name).__file__ or "").parent == ROOT / name


@pytest.mark.parametrize("name", ["agents", "tables", "web"])
def test_contents_are_complete(name: str) -> None:
    """The table of contents in __init__ names every module of its folder that registers something."""
    modules = {
        path.stem for path in (ROOT / name).glob("[!_]*.py") if name != "web" or "\nROUTES = [" in path.read_text()
    }
    assert set(getattr(import_module(name), "__all__", [])) == modules


def test_the_core_knows_neither_agents_nor_tables_nor_views() -> None:
    edges = re.compile(r"^\s*(?:from|import) (agents|tables|web)\b", re.MULTILINE)
    assert [str(path) for path in (ROOT / "msr_stream").rglob("*.py") if edges.search(path.read_text())] == []


def test_only_the_store_and_its_callers_know_the_driver_of_the_database() -> None:
    importing = {path.relative_to(ROOT / "msr_stream").parts[0] for path in _importing("asyncpg")}
    assert importing <= {"store", "source", "recording", "runtime.py"}


def _importing(module: str) -> list[Path]:
    pattern = re.compile(rf"^\s*(?:from|import) {module}\b", re.MULTILINE)
    return [path for path in (ROOT / "msr_stream").rglob("*.py") if pattern.search(path.read_text())]


def test_no_python_file_is_too_long() -> None:
    """One that passes the limit is two things; tests are lists and may be longer."""
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in _tracked()
        if path.suffix == ".py" and "tests" not in path.parts
    }
    assert {name: length for name, length in lengths.items() if length > LIMIT} == {}


def test_every_module_and_every_package_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in _tracked()
        if path.suffix == ".py" and not re.match(r'(?:#![^\n]*\n)?r?"""\S', path.read_text())
    ]
    assert silent == []


def test_the_tree_has_no_paths_of_a_machine() -> None:
    machine = re.compile(rb"/(?:work|home|root|Users)/[A-Za-z0-9_.]")
    named = [str(path.relative_to(ROOT)) for path in _tracked() if machine.search(path.read_bytes())]
    assert named == []


def test_no_test_folder_is_named_like_a_package_nor_is_one() -> None:
    """`tests/tables/__init__.py` would be imported as `tables`."""
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}
    assert folders.isdisjoint(OURS)
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_no_module_hides_from_discovery() -> None:
    """Faust passes over a module with `test_` in its name (`latest_positions`)."""
    hidden = [path.stem for name in ("agents", "tables", "web") for path in (ROOT / name).rglob("*test_*.py")]
    assert hidden == []
