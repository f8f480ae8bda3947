"""Regions are read as the standards write them; what is none is named with what it got."""

from __future__ import annotations

from typing import Any

import pytest

from msr_stream.regions import Box, Circle, region_of


@pytest.mark.parametrize(
    ("params", "region"),
    [
        ({}, None),
        ({"bbox": "103.5,1,104.1,1.5"}, Box(103.5, 1, 104.1, 1.5)),
        ({"bbox": " 170, -50 ,-170,-30"}, Box(170, -50, -170, -30)),
        ({"bbox": "-180,-90,180,90"}, Box(-180, -90, 180, 90)),
        ({"near": "103.8,1.35,5e3"}, Circle(103.8, 1.35, 5000)),
        ({"near": "0,0,0"}, Circle(0, 0, 0)),
    ],
)
def test_a_region_is_read(params: dict[str, str], region: Box | Circle | None) -> None:
    problems: list[dict[str, Any]] = []
    assert region_of(params, problems) == region
    assert problems == []
    assert Box(170, -50, -170, -30).crosses_antimeridian


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"bbox": ""}, "bbox"),
        ({"bbox": "1,2,3"}, "bbox"),
        ({"bbox": "1,2,3,4,5"}, "bbox"),
        ({"bbox": "a,1,2,3"}, "bbox"),
        ({"bbox": "nan,1,2,3"}, "bbox"),
        ({"bbox": "0,0,inf,3"}, "bbox"),
        ({"bbox": "0,0,181,3"}, "bbox"),
        ({"bbox": "0,-91,1,3"}, "bbox"),
        ({"bbox": "0,5,1,4"}, "bbox"),
        ({"near": "0,0"}, "near"),
        ({"near": "0,91,5"}, "near"),
        ({"near": "0,0,-1"}, "near"),
        ({"near": "0,0,1);--"}, "near"),
        ({"near": "0,0,1", "bbox": "0,0,1,1"}, "near"),
    ],
)
def test_what_is_no_region_is_named(params: dict[str, str], field: str) -> None:
    problems: list[dict[str, Any]] = []
    assert region_of(params, problems) is None
    assert [problem["field"] for problem in problems] == [field]
    assert field in problems[0]["message"]
