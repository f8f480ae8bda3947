"""Instants: whole microseconds since 1970-01-01 UTC, as `int`.

PostgreSQL's `timestamptz` and Debezium's `ts_us` count the same way, so nothing is rounded on the way
from the source to the answer, and years beyond `datetime`'s are still numbers.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

#: 2000-01-01, where PostgreSQL's binary timestamps begin.
POSTGRES_EPOCH = 946_684_800 * SECOND

#: What `datetime` and RFC 3339 can say: the years 1 to 9999.
FIRST = -62_135_596_800 * SECOND
LAST = 253_402_300_800 * SECOND - 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):?(\d\d))", re.ASCII
)


def now() -> int:
    """The worker's clock."""
    return time.time_ns() // 1000


def as_datetime(instant: int) -> datetime:
    """An instant for libraries that want a `datetime`."""
    return _EPOCH + timedelta(microseconds=min(max(instant, FIRST), LAST))


def parse(text: str) -> int:
    """Read an RFC 3339 time with offset; digits beyond microseconds are cut.

    Raises:
        ValueError: the text is no such time, or has no offset.
    """
    match = _RFC3339.fullmatch(text.strip())
    if match is None:
        raise ValueError("not an RFC 3339 time with offset, such as 2026-11-23T14:32:07.5Z")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, zulu, sign, offset_hours, offset_minutes = match.groups()[6:]
    moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    micros = int((fraction or "0").ljust(6, "0")[:6])
    offset = timedelta()
    if not zulu:
        if int(offset_hours) > 23 or int(offset_minutes) > 59:
            raise ValueError("the offset is beyond 23:59")
        offset = timedelta(hours=int(offset_hours), minutes=int(offset_minutes))
    since_epoch = moment - _EPOCH - (-offset if sign == "-" else offset)
    return since_epoch // timedelta(microseconds=1) + micros


def render(instant: int) -> str:
    """RFC 3339 in UTC with microseconds, as every answer writes times."""
    moment = as_datetime(instant)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}Z".rjust(27, "0")
