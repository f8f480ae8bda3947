"""A clip for Cesium: CZML, a JSON array of packets that a viewer may take one by one.

Written against the CZML Guide (github.com/AnalyticalGraphicsInc/czml-writer/wiki/CZML-Guide). Packets with the same id
describe one object, later samples are added to earlier ones; so a row becomes a packet as it comes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from msr_stream.clips.clip import Header, Part, Row, rows_of
from msr_stream.clips.encoding import Encoder
from msr_stream.clips.positions import Position, position_of


class Czml(Encoder):
    """A document packet, a packet for each row with a position, and one that counts.

    What is known of an entity at the start is a sample at the start. It stays where it was last seen, and is not shown
    from its deletion on until it is created again.
    """

    media_type, extension = "application/json", "czml"

    def __init__(self, header: Header) -> None:
        super().__init__(header)
        self._without = 0

    def begin(self) -> bytes:
        """The document, with the header as a property."""
        header = self.header
        interval = f"{header.start}/{header.end}"
        clock = {"interval": interval, "currentTime": header.start, "multiplier": 1, "range": "CLAMPED"}
        document = {"id": "document", "name": f"MSR {interval}", "version": "1.0", "clock": clock}
        return b"[" + msgspec.json.encode(document | {"properties": {"msr_clip": msgspec.to_builtins(header)}})

    def rows(self, part: Part, lines: bytes) -> bytes:
        """Packets; rows without position are left out, and counted."""
        found = rows_of(lines)
        packets = [packet for _, row in found if (packet := self._packet(part, row)) is not None]
        self.tally.add(part, len(found))
        self._without += len(found) - len(packets)
        return b"".join(b",\n" + msgspec.json.encode(packet) for packet in packets)

    def end(self) -> bytes:
        """The ending: how many rows there were, and how many had no position."""
        about = {**msgspec.to_builtins(self.tally.ending), "rows_without_position": self._without}
        return b",\n" + msgspec.json.encode({"id": "msr_clip_end", "properties": about}) + b"]\n"

    def _packet(self, part: Part, row: Row) -> dict[str, Any] | None:
        where = position_of(row.state) if row.state else None
        if where is None:
            return None
        at = self.header.start if part is Part.STATE else row.event_timestamp
        packet: dict[str, Any] = {"id": f"{row.table_name}/{row.entity_id}"}
        if row.op == "d":
            return packet | {"point": {"show": self._from(at, shown=False)}}
        packet |= {"position": _sample(at, where), "point": {"pixelSize": 8}}
        if part is Part.STATE or row.op != "u":
            packet["point"]["show"] = self._from(at)
            packet["name"] = row.entity_id
            packet["properties"] = {"table_name": row.table_name, "entity_id": row.entity_id}
        return packet

    def _from(self, at: str, *, shown: bool = True) -> list[dict[str, Any]]:
        return [{"interval": f"{at}/{self.header.end}", "boolean": shown}]


def _sample(at: str, where: Position) -> dict[str, Any]:
    return {"forwardExtrapolationType": "HOLD", "cartographicDegrees": [at, where.lon, where.lat, 0]}
