"""Incidents: they open, escalate, get units, are handed over, and close. Pure, the same for the same seed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from msr_local.simulator import routes
from msr_local.simulator.changes import Change, Delete, Insert, Update

KINDS = (
    "bird strike",
    "engine fire",
    "collision",
    "man overboard",
    "oil spill",
    "medical",
    "runway incursion",
)
UNIT_KINDS = (
    ("PCG", "patrol craft"),
    ("RSQ", "rescue helicopter"),
    ("FIR", "fire boat"),
    ("MED", "ambulance"),
)
ROLES = ("lead", "support", "medical", "cordon")
UNITS = 48
STAY = 45.0  # seconds that a closed incident is still there
AT_ONCE = 40  # incidents; no new one opens above


@dataclass(slots=True)
class Unit:
    """A unit, and whether it is free."""

    code: str
    tenant: str
    incident: int | None = None


@dataclass(slots=True)
class Incident:
    """An incident in its life: `open`, `responding`, then `contained` and `closed`, then gone."""

    number: int
    tenant: str
    status: str
    next: float  # the story's second at which something happens to it
    severity: int
    units: list[str] = field(default_factory=list)
    entries: list[dict[str, str]] = field(default_factory=list)


class Incidents:
    """All incidents and all units.

    Args:
        random: Where chance comes from.
        start: The time of the story's second 0.
        every: Seconds from one incident to the next, on average.
    """

    def __init__(self, random: Random, start: datetime, every: float = 6.0) -> None:
        self._random = random
        self._start = start
        self._every = every
        self._opens = 1.0
        self._recodes = 20.0
        self._serial = 0
        self.incidents: list[Incident] = []
        self.units: list[Unit] = []
        for number in range(UNITS):
            self.units.append(Unit(f"{UNIT_KINDS[number % 4][0]}-{number:03d}", "t1" if number % 2 else "t2"))

    def initial(self) -> list[Insert]:
        """The units' rows at the story's second 0."""
        rows = []
        for number, unit in enumerate(self.units):
            lon, lat = routes.HARBOURS[number % len(routes.HARBOURS)]
            values = {
                "tenant_id": unit.tenant,
                "kind": UNIT_KINDS[number % 4][1],
                "status": "available",
                "lon": lon,
                "lat": lat,
                "crew": [f"{unit.code}/{seat}" for seat in ("A", "B", "C")],
                "badge": self._random.randbytes(24),
                "updated_at": self._start,
            }
            rows.append(Insert("ops.unit", {"unit_code": unit.code}, values))
        return rows

    def step(self, second: float) -> Iterator[Change]:
        """Everything that happens up to the story's second."""
        while self._opens <= second:
            if len(self.incidents) < AT_ONCE:
                yield from self._open(self._opens)
            self._opens += self._random.expovariate(1 / self._every)
        for incident in [one for one in self.incidents if one.next <= second]:
            yield from self._happen(incident, second)
        if self._recodes <= second:
            self._recodes = second + self._random.uniform(15, 45)
            yield from self._recode(second)

    def _open(self, second: float) -> Iterator[Change]:
        random = self._random
        self._serial += 1
        incident = Incident(
            self._serial,
            random.choice(("t1", "t2")),
            "open",
            second + random.uniform(3, 12),
            random.randint(1, 3),
        )
        self.incidents.append(incident)
        kind = random.choice(KINDS)
        lon, lat = round(random.uniform(103.55, 104.35), 6), round(random.uniform(1.12, 1.42), 6)
        self._note(incident, second, "reported")
        values = {
            "tenant_id": incident.tenant,
            "kind": kind,
            "severity": incident.severity,
            "status": incident.status,
            "title": f"{kind.capitalize()} {incident.number}",
            "lon": lon,
            "lat": lat,
            "geojson": json.dumps({"type": "Point", "coordinates": [lon, lat]}),
            "tags": random.sample(("sea", "air", "night", "media", "priority"), 2),
            "report": report(random),
            "photo": random.randbytes(random.randint(200, 3000)),
            "opened_at": self._time(second),
        }
        yield Insert("ops.incident", {"incident_id": incident.number}, {**values, **self._log(incident, second)})

    def _happen(self, incident: Incident, second: float) -> Iterator[Change]:
        random = self._random
        if incident.status == "closed":
            self.incidents.remove(incident)
            yield Delete("ops.incident", {"incident_id": incident.number})
            return
        incident.next = second + random.uniform(4, 15)
        if incident.status == "open":
            yield from self._set(incident, second, "responding")
            yield from self._assign(incident, second)
        elif incident.status == "contained":
            yield from self._close(incident, second)
        else:
            chance = random.random()
            if chance < 0.35:
                incident.severity = min(incident.severity + 1, 5)
                yield from self._set(incident, second, "responding", "escalated")
                yield from self._assign(incident, second)
            elif chance < 0.45:
                yield from self._hand_over(incident, second)
            elif chance < 0.65:
                yield from self._set(incident, second, "contained")
            elif incident.units:
                yield from self._release(incident, random.choice(incident.units), second)

    def _assign(self, incident: Incident, second: float) -> Iterator[Change]:
        free = [unit for unit in self.units if unit.incident is None and unit.tenant == incident.tenant]
        for unit in self._random.sample(free, min(len(free), self._random.randint(1, 3))):
            unit.incident = incident.number
            incident.units.append(unit.code)
            values = {
                "tenant_id": incident.tenant,
                "role": self._random.choice(ROLES),
                "eta_minutes": self._random.randint(1, 40),
                "assigned_at": self._time(second),
            }
            yield Insert("ops.assignment", {"incident_id": incident.number, "unit_code": unit.code}, values)
            yield self._unit_status(unit.code, "assigned", second)

    def _release(self, incident: Incident, code: str, second: float) -> Iterator[Change]:
        incident.units.remove(code)
        next(unit for unit in self.units if unit.code == code).incident = None
        yield Delete("ops.assignment", {"incident_id": incident.number, "unit_code": code})
        yield self._unit_status(code, "available", second)

    def _close(self, incident: Incident, second: float) -> Iterator[Change]:
        for code in list(incident.units):
            yield from self._release(incident, code, second)
        incident.next = second + STAY
        closing: dict[str, Any] = {"closed_at": self._time(second)}
        if self._random.random() < 0.3:
            closing["report"] = report(self._random)  # most keep theirs, unchanged from the first day
        yield from self._set(incident, second, "closed", more=closing)

    def _hand_over(self, incident: Incident, second: float) -> Iterator[Change]:
        """To the other tenant; the units of the first go home."""
        for code in list(incident.units):
            yield from self._release(incident, code, second)
        incident.tenant = "t2" if incident.tenant == "t1" else "t1"
        moved = {"tenant_id": incident.tenant}
        yield from self._set(incident, second, "responding", "handed over", more=moved)
        yield from self._assign(incident, second)

    def _recode(self, second: float) -> Iterator[Change]:
        """A free unit gets another code, hence another primary key."""
        free = [unit for unit in self.units if unit.incident is None]
        if not free:
            return
        unit = self._random.choice(free)
        old, (stem, _, suffix) = unit.code, unit.code.partition("/")
        unit.code = f"{stem}/{int(suffix or 0) + 1}"
        values = {"unit_code": unit.code, "updated_at": self._time(second)}
        yield Update("ops.unit", {"unit_code": old}, values)

    def _set(
        self,
        incident: Incident,
        second: float,
        status: str,
        word: str = "",
        more: dict[str, Any] | None = None,
    ) -> Iterator[Change]:
        incident.status = status
        self._note(incident, second, word or status)
        values = {
            "status": status,
            "severity": incident.severity,
            **self._log(incident, second),
            **(more or {}),
        }
        yield Update("ops.incident", {"incident_id": incident.number}, values)

    def _unit_status(self, code: str, status: str, second: float) -> Update:
        return Update("ops.unit", {"unit_code": code}, {"status": status, "updated_at": self._time(second)})

    def _note(self, incident: Incident, second: float, text: str) -> None:
        incident.entries.append({"at": self._time(second).isoformat(), "what": text})

    def _log(self, incident: Incident, second: float) -> dict[str, Any]:
        return {"log": json.dumps(incident.entries), "updated_at": self._time(second)}

    def _time(self, second: float) -> datetime:
        return self._start + timedelta(seconds=round(second, 3))


def report(random: Random) -> str:
    """20 to 60 KB of text that hardly compresses, so that it is stored out of line."""
    return base64.encodebytes(random.randbytes(random.randint(15_000, 44_000))).decode()
