"""The runtime settings: defaults, bounds, and every wrong value named."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from msr_stream.configuration import Change, Configuration


def test_the_defaults_are_the_contracts() -> None:
    assert Configuration().model_dump() == {
        "max_active_sessions": 5,
        "max_playback_range": 7,
        "data_retention_cron_expression": "0 3 * * *",
        "earliest_valid_timestamp": "1900-01-01T00:00:00Z",
        "query_work_mem_mb": 256,
        "columnstore_compression_age_days": 1,
        "cagg_refresh_interval_hours": 1,
        "cagg_refresh_lag_days": 1,
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_active_sessions", 1),
        ("max_playback_range", 365),
        ("data_retention_cron_expression", "*/5 1-3 * * 1,2"),
        ("earliest_valid_timestamp", "2026-01-01T00:00:00+08:00"),
        ("query_work_mem_mb", 2048),
        ("columnstore_compression_age_days", 30),
        ("cagg_refresh_interval_hours", 0.5),
        ("cagg_refresh_lag_days", 0),
    ],
)
def test_what_is_sent_is_taken_as_it_was_sent(key: str, value: object) -> None:
    assert Change.model_validate({key: value}).sent() == {key: value}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_active_sessions", 0),
        ("max_active_sessions", "5"),
        ("max_active_sessions", True),
        ("max_active_sessions", 1.5),
        ("max_active_sessions", None),
        ("max_playback_range", 0),
        ("max_playback_range", 10**12),
        ("data_retention_cron_expression", "0 3 * *"),
        ("data_retention_cron_expression", "0 0 3 * * *"),
        ("data_retention_cron_expression", "61 3 * * *"),
        ("data_retention_cron_expression", "@daily"),
        ("earliest_valid_timestamp", "1900-01-01T00:00:00"),
        ("earliest_valid_timestamp", "yesterday"),
        ("earliest_valid_timestamp", 0),
        ("query_work_mem_mb", 0),
        ("query_work_mem_mb", 2049),
        ("columnstore_compression_age_days", 0),
        ("cagg_refresh_interval_hours", 0),
        ("cagg_refresh_interval_hours", float("inf")),
        ("cagg_refresh_lag_days", -1),
        ("no_such_setting", 1),
    ],
)
def test_a_wrong_value_is_named(key: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Change.model_validate(
            {key: value, "max_playback_range" if key != "max_playback_range" else "query_work_mem_mb": 8}
        )
    problems: list[Any] = caught.value.errors()
    assert {problem["loc"][0] for problem in problems} == {key}
