"""Which compression an `Accept-Encoding` header allows (RFC 9110, section 12.5.3)."""

from __future__ import annotations

import pytest

from web.streaming import choose_encoding


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("", None),
        ("identity", None),
        ("gzip", "gzip"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate, br", "gzip"),
        ("GZIP", "gzip"),
        ("br", None),
        ("*", "zstd"),
        ("gzip;q=0", None),
        ("gzip;q=0.0", None),
        ("gzip; q=0.5", "gzip"),
        ("gzip ;q=1.000", "gzip"),
        ("zstd;q=0, gzip", "gzip"),
        ("zstd;q=0, *", "gzip"),
        ("*;q=0", None),
        ("*;q=0, gzip", "gzip"),
        ("gzip;q=0, *;q=0", None),
        ("identity;q=1, *;q=0", None),
        ("gzip;Q=0", None),
        ("gzip;q=nonsense", None),
        ("gzip;q=nan", None),
        ("gzip;q=-1", None),
        (",,,", None),
        (" gzip , ", "gzip"),
        ("xgzip", None),
        ("gzip2", None),
    ],
)
def test_an_answer_is_compressed_as_the_client_accepts_it(accepted: str, chosen: str | None) -> None:
    assert choose_encoding(accepted) == chosen


@pytest.mark.parametrize(
    "accepted", [";", ";q", "q=0.5", "gzip;", "gzip;q", "gzip;q=", "=", "\0", "é;q=ü", "a" * 10_000]
)
def test_a_strange_header_is_no_error(accepted: str) -> None:
    assert choose_encoding(accepted) in (None, "gzip", "zstd")
