"""What bodies and parameters of several routes have in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from msr_stream import instants


def _moment(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError("wants an RFC 3339 time with offset, as text")  # noqa: TRY004 - pydantic names a ValueError
    return instants.parse(value)


#: An instant: RFC 3339 with offset outside, microseconds since 1970 inside.
Moment = Annotated[int, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
#: An instant as answers write it.
Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]


class Request(BaseModel):
    """A body or the parameters of a request: unknown fields are named, not passed over."""

    model_config = ConfigDict(extra="forbid")


class Chosen(BaseModel):
    """What an answer holds of the world."""

    tables: list[str] | str | None = Field(
        None, description="nothing but these, schema.table, several with commas or repeated; one unknown has no rows"
    )
    fields: list[str] | str | None = Field(
        None, description="nothing but these columns of each entity_state, likewise; one unknown is not there"
    )
    bbox: str | None = Field(
        None,
        description="west,south,east,north in degrees: nothing but rows that say they are there, each event by its own "
        "row (what leaves is not told); west greater than east: across 180 degrees",
    )
    near: str | None = Field(None, description="lon,lat,metres: likewise, no farther from a point than that")
    entity: list[str] | str | None = Field(
        None, description="nothing but these entities, schema.table:id, repeated; one unknown has no rows"
    )


class Paging(BaseModel):
    """Which page of a list; out-of-range values fall back to the defaults."""

    page: str = "1"
    size: str = "10"
    sort: list[str] | str = "created_at,desc"


Json = dict[str, Any]
