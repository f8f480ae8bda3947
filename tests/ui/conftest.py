"""A whole stack with an application that moves, for the browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msr_local.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = Stack(tmp_path_factory.mktemp("ui"), simulator=True, rate=50)
    try:
        made.start()
        yield made
    finally:
        made.stop()
