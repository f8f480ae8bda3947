"""A filter as SQL text: which rows an answer holds."""

from __future__ import annotations

from msr_stream.regions import Circle, Region
from msr_stream.replay import Filter
from msr_stream.store import queries
from msr_stream.store.literals import degrees, instant, literal

_sql = queries.load("replay")


def among(condition: str, chosen: Filter) -> str:
    """A condition on what is read, and that it is of what was asked for: an entity never changes its table or id."""
    found = [f"({condition})"]
    if chosen.only:
        found.append(f"table_name = ANY ({literal(chosen.only)})")
    if chosen.entities:
        keys = ", ".join(f"({literal(table)}, {literal(entity)})" for table, entity in chosen.entities)
        found.append(f"(table_name, entity_id) IN ({keys})")
    return " AND ".join(found) if len(found) > 1 else condition


def kept(chosen: Filter) -> str:
    """The condition on what has been read, each entity's last event: not too old for its table, and in the region."""
    found = []
    if chosen.tables and chosen.since is not None:
        old = f"table_name = ANY ({literal(chosen.tables)}) AND event_timestamp < {instant(chosen.since)}"
        found.append(f"NOT ({old})")
    if chosen.region is not None:
        found.append(_within(chosen.region))
    return " AND ".join(found) or "true"


def _within(region: Region) -> str:
    if isinstance(region, Circle):
        return _sql["near"].format(lon=degrees(region.lon), lat=degrees(region.lat), metres=degrees(region.metres))
    name = "in_box_across" if region.crosses_antimeridian else "in_box"
    return _sql[name].format(**{side: degrees(value) for side, value in region._asdict().items()})
