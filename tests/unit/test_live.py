"""Places in a live stream: an event's id says where to go on, exactly."""

from __future__ import annotations

import pytest

from msr_stream.errors import BadRequest
from web.live import Place


@pytest.mark.parametrize("place", [Place(0), Place(1_795_000_000_000_000), Place(17, 1), Place(17, 999_999_999)])
def test_a_place_is_read_as_it_was_written(place: Place) -> None:
    assert Place.parse(str(place)) == place


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "1.", ".1", "1.x", "1.2.3", "1.-2", "9" * 30, "1." + "9" * 12, "\u0661"]
)
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="Last-Event-ID"):
        Place.parse(text)
