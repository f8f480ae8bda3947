"""SQL lives in files: every query is named once, described, and used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from msr_stream.store import queries

STORE = Path(queries.__file__).parent
FILES = sorted(path.stem for path in (STORE / "sql").glob("*.sql"))
ALL = [(file, name) for file in FILES for name in queries.load(file)]
CODE = "\n".join(path.read_text() for path in STORE.parent.rglob("*.py"))


def _text(file: str) -> str:
    return (STORE / "sql" / f"{file}.sql").read_text()


@pytest.mark.parametrize("file", FILES)
def test_every_query_of_a_file_is_found(file: str) -> None:
    """One without a description would not be: the file's reader passes over it."""
    assert list(queries.load(file)) == re.findall(r"^-- name: (\w+)$", _text(file), re.MULTILINE)
    assert "-- name:" not in "".join(queries.load(file).values())


@pytest.mark.parametrize("file", FILES)
def test_a_file_says_first_what_it_is_for(file: str) -> None:
    assert re.match(r"-- \w[^\n]+\.\n", _text(file))


@pytest.mark.parametrize(("file", "name"), ALL)
def test_every_query_is_a_statement_and_one_only(file: str, name: str) -> None:
    sql = queries.load(file)[name]
    assert sql
    assert ";" not in sql.rstrip(";")


@pytest.mark.parametrize(("file", "name"), ALL)
def test_every_query_is_used(file: str, name: str) -> None:
    assert f'["{name}"]' in CODE or f'"{name}"' in CODE


@pytest.mark.parametrize(("file", "name"), ALL)
def test_a_querys_parameters_have_no_gap(file: str, name: str) -> None:
    numbers = {int(number) for number in re.findall(r"\$(\d+)", queries.load(file)[name])}
    assert numbers == set(range(1, len(numbers) + 1))


@pytest.mark.parametrize("used", sorted(set(re.findall(r'_(?:sql|settling)\["(\w+)"\]', CODE))))
def test_every_query_that_is_used_is_there(used: str) -> None:
    assert used in {name for _, name in ALL} | _source_queries()


def _source_queries() -> set[str]:
    files = (STORE.parent / "source" / "sql").glob("*.sql")
    return {name for path in files for name in re.findall(r"^-- name: (\w+)", path.read_text(), re.MULTILINE)}


def test_every_query_that_reads_events_for_an_answer_filters_by_tenant() -> None:
    reading = {
        name: sql
        for file in ("replay", "activity", "diff")
        for name, sql in queries.load(file).items()
        if re.search("v_(cdc_event|keyframe|activity)|FROM (cdc_event|keyframe|activity)\\b", sql)
    }
    assert {"state", "events"} <= set(reading)
    assert all("tenant_id IS NULL OR tenant_id = {tenant})" in sql for sql in reading.values())
    assert all(
        re.findall(r"\b(?:FROM|JOIN) (?!v_)(?:cdc_event|keyframe|activity\w*)\b", sql) == [] for sql in reading.values()
    )


def test_a_query_is_named_described_and_stripped() -> None:
    text = "-- a file\n\n-- name: one\n-- First.\n-- More.\nSELECT 1\n\n-- name: two\n-- Second.\nSELECT 2\n"
    assert queries.parse(text) == {"one": "SELECT 1", "two": "SELECT 2"}


def test_two_queries_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="query one is there twice"):
        queries.parse("-- name: one\n-- First.\nSELECT 1\n-- name: one\n-- Second.\nSELECT 2\n")


def test_queries_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        queries.load("replay")["state"] = "SELECT 1"  # type: ignore[index]


def test_migrations_are_numbered_without_a_gap_and_named_once() -> None:
    """Applied in the order of their numbers; `NNNN_name.sql` for every dialect, `NNNN_name.<dialect>.sql` for one."""
    names = [path.name.removesuffix(".sql") for path in (STORE / "sql" / "migrations").glob("*.sql")]
    assert all(re.fullmatch(r"\d{4}_\w+(\.\w+)?", name) for name in names)
    numbers = {int(name[:4]) for name in names}
    assert numbers == set(range(1, len(numbers) + 1))


@pytest.mark.parametrize("path", sorted((STORE / "sql" / "migrations").glob("*.sql")), ids=lambda path: path.name)
def test_every_table_and_every_column_of_a_migration_is_commented(path: Path) -> None:
    text = path.read_text()
    for table, body in re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+) \((.*?)\n\)", text, re.DOTALL):
        assert f"COMMENT ON TABLE {table} IS" in text
        columns = re.findall(r"^    ([a-z_]+) +[a-z]", body, re.MULTILINE)
        for column in columns:
            assert f"COMMENT ON COLUMN {table}.{column} IS" in text, f"{table}.{column}"
