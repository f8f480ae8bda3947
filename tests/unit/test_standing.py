"""Tables of which an answer may not have all."""

from __future__ import annotations

import pytest

from msr_stream.store.standing import Missing

MISSING = Missing(frozenset({"air.plot", "old.air.flight"}), frozenset({"sea.vessel"}))


@pytest.mark.parametrize(
    ("tables", "names"),
    [
        ([], ["air.plot", "old.air.flight", "sea.vessel"]),
        (["air.plot"], ["air.plot"]),
        (["sea.vessel", "air.flight"], ["sea.vessel"]),
        (["vessel", "plot"], []),
        (["copy.air.plot"], ["air.plot"]),  # no record yet: known by its topic alone, without a prefix
    ],
)
def test_an_answer_about_some_tables_names_no_others(tables: list[str], names: list[str]) -> None:
    assert MISSING.among(tables).names == names
