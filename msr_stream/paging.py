"""Pages of a list: which one is asked for, in which order. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

MOST = 1000


class Page(NamedTuple):
    """One page; `sort` is pairs of field and direction, each field known to be sortable."""

    number: int = 1
    size: int = 10
    sort: Sequence[tuple[str, str]] = (("created_at", "desc"),)

    @property
    def offset(self) -> int:
        """How many rows come before it."""
        return (self.number - 1) * self.size

    def order_by(self, last: str) -> str:
        """The fields as SQL's ORDER BY wants them; `last` decides between equals."""
        return ", ".join([*(f'"{field}" {direction}' for field, direction in self.sort), f'"{last}"'])


def read_page(
    number: str | None, size: str | None, sort: Sequence[str], sortable: Sequence[str], default: str = "created_at"
) -> Page:
    """A page from what a client has sent; out-of-range values fall back to the defaults (contract, section 2)."""
    wanted = [_sort(one, sortable) for one in sort]
    return Page(
        _number(number, 1, 1 << 31),
        _number(size, 10, MOST),
        tuple(pair for pair in wanted if pair is not None) or ((default, "desc"),),
    )


def _number(text: str | None, default: int, most: int) -> int:
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > 10:
        return default
    return int(text) if 1 <= int(text) <= most else default


def _sort(text: str, sortable: Sequence[str]) -> tuple[str, str] | None:
    field, _, direction = text.partition(",")
    field, direction = field.strip(), direction.strip().lower() or "asc"
    return (field, direction) if field in sortable and direction in ("asc", "desc") else None
