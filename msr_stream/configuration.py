"""Runtime configuration: what an administrator may change without a restart (contract, section 3). Pure."""

from __future__ import annotations

from typing import Annotated, Any

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from msr_stream import instants


def _cron(text: str) -> str:
    fields = text.split()
    if len(fields) != 5:
        raise ValueError(f"got {len(fields)} fields, wants the five of cron: minute hour day month weekday")
    try:
        CronSim(text, instants.as_datetime(instants.now()))
    except CronSimError as error:
        raise ValueError(f"wants a cron expression of five fields ({error})") from error
    return text


def _moment(text: str) -> str:
    instants.parse(text)
    return text


_Strict = ConfigDict(extra="forbid", strict=True)
Days = Annotated[int, Field(gt=0, le=36_500)]
Hours = Annotated[int | float, Field(le=876_000, allow_inf_nan=False)]


class Configuration(BaseModel):
    """Every runtime setting with its default."""

    model_config = _Strict

    max_active_sessions: Annotated[int, Field(gt=0, le=1_000_000, description="sessions active at once, in all")] = 5
    max_playback_range: Annotated[Days, Field(description="how far back a replay may reach, days")] = 7
    data_retention_cron_expression: Annotated[
        str, AfterValidator(_cron), Field(description="when what is too old is removed, UTC")
    ] = "0 3 * * *"
    earliest_valid_timestamp: Annotated[
        str, AfterValidator(_moment), Field(description="nothing before this is replayed")
    ] = "1900-01-01T00:00:00Z"
    query_work_mem_mb: Annotated[int, Field(ge=1, le=2048, description="memory of one sort of a query, MB")] = 256
    columnstore_compression_age_days: Annotated[
        Days, Field(description="age at which history is compressed (TimescaleDB)")
    ] = 1
    cagg_refresh_interval_hours: Annotated[Hours, Field(gt=0, description="how often the activity is summed up")] = 1
    cagg_refresh_lag_days: Annotated[
        Hours, Field(ge=0, description="how old activity must be to be summed up, days")
    ] = 1


class Change(Configuration):
    """Any subset of the settings; what was not sent is not set."""

    def sent(self) -> dict[str, Any]:
        """The keys that were sent, with their values."""
        return self.model_dump(include=self.model_fields_set)
