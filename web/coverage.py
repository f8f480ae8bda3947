"""In which intervals tables were recorded completely."""

from __future__ import annotations

from aiohttp import web
from pydantic import BaseModel, Field

from msr_stream import instants
from msr_stream.coverage import Interval
from msr_stream.errors import BadRequest
from msr_stream.instants import LAST
from web import answers, reading
from web.middleware import runtime
from web.models import Moment, Time
from web.routes import Requires, Route


class CoverageParams(BaseModel):
    """Which window."""

    start: Moment = Field(description="RFC 3339 with offset")
    end: Moment = Field(description="RFC 3339 with offset")


class IntervalView(BaseModel):
    """From one instant to another; `until`: null where it goes on; `reason`: why it ended, or why a gap is there."""

    begin: Time = Field(serialization_alias="from")
    until: Time | None
    reason: str | None


class CoverageView(BaseModel):
    """A table: its intervals that touch the window, as they are, and the gaps within the window."""

    table_name: str
    source: str
    intervals: list[IntervalView]
    gaps: list[IntervalView]


async def coverage(request: web.Request) -> web.Response:
    """In which intervals each table was recorded completely, and why each ended."""
    window = reading.query(request, CoverageParams)
    if window.end < window.start:
        raise BadRequest("end is before start", code="INVALID_PLAYBACK_WINDOW")
    tables = await runtime(request).coverage.tables(window.start, window.end)
    return answers.data(
        [
            {"table_name": table, "source": source, "intervals": _views(found.intervals), "gaps": _views(found.gaps)}
            for table, source, found in tables
        ]
    )


def _views(intervals: list[Interval]) -> list[dict[str, str | None]]:
    return [
        {
            "from": instants.render(one.begin),
            "until": None if one.end >= LAST else instants.render(one.end),
            "reason": one.reason,
        }
        for one in intervals
    ]


ROUTES = [
    Route(
        "GET", "/replay/coverage", coverage, Requires.TENANT, "replay", query=CoverageParams, data=list[CoverageView]
    ),
]
