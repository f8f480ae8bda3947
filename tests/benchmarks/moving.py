"""A fleet made up: every entity is created, and then all of them move, a little with each change, within one window."""

from __future__ import annotations

import random
from collections.abc import Iterator
from math import cos, radians, sin

from msr_stream.instants import SECOND
from tests.benchmarks.filling import TENANT, Size, event

#: How long the window is, the history's last part: with a million changes there are a thousand a second.
WINDOW = 1_000 * SECOND
#: Degrees that an entity goes with one change; at the map's first zoom about a pixel.
_STEP = 0.01
_WEST, _SOUTH, _ACROSS = 100.0, -3.0, 8.0


class Fleet:
    """One shard's log: its entities come about before the window, then each is changed as often as any other.

    Args:
        number: the shard's.
        size: of the history; its events are as many for each entity.
        start: first instant of the history.
        end: its last one, and the window's.
        weight: bytes that a row has, about.
    """

    def __init__(self, number: int, size: Size, start: int, end: int, *, weight: int = 1_000) -> None:
        self._number, self._start, self._window = number, start, end - WINDOW
        self._entities, self._rounds = size.entities // size.shards, size.events // size.entities - 1
        self._random = random.Random(number)
        self._filler = [self._random.randbytes(max(0, weight - 200) // 2).hex() for _ in range(64)]
        self._lon = [_WEST + _ACROSS * self._random.random() for _ in range(self._entities)]
        self._lat = [_SOUTH + _ACROSS * self._random.random() for _ in range(self._entities)]
        self._heading = [360 * self._random.random() for _ in range(self._entities)]
        self.position, self.time, self.live = 0, start, 0

    def rows(self) -> Iterator[bytes]:
        """Its events as rows of binary COPY."""
        pause = (self._window - self._start) // self._entities
        for entity in range(self._entities):
            self.live += 1
            yield self._row(entity, "c", self._start + (entity + 1) * pause)
        pause, turn = WINDOW // (self._entities * self._rounds), 0
        for _ in range(self._rounds):
            for entity in self._random.sample(range(self._entities), self._entities):
                turn += 1
                self._move(entity)
                yield self._row(entity, "u", self._window + turn * pause)

    def _move(self, entity: int) -> None:
        self._heading[entity] = (self._heading[entity] + self._random.gauss(0, 20)) % 360
        course = radians(self._heading[entity])
        self._lon[entity] += _STEP * sin(course)
        self._lat[entity] += _STEP * cos(course)

    def _row(self, entity: int, op: str, at: int) -> bytes:
        self.position, self.time = self.position + 1, at
        name, number = f"{self._number}-{entity}", self.position
        state = (
            f'{{"id":"{name}","tenant_id":"{TENANT}","name":"Unit {name}","n":{number},'
            f'"lon":{self._lon[entity]:.5f},"lat":{self._lat[entity]:.5f},"heading":{self._heading[entity]:.1f},'
            f'"speed":"{number % 30}.50","status":"s{number % 5}","note":"{self._filler[number % 64]}"}}'
        )
        return event(self._number, number, at, op, name, state)
