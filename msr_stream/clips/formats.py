"""The formats that a clip can be exported in."""

from __future__ import annotations

from typing import Literal

from msr_stream.clips.clip import Header
from msr_stream.clips.czml import Czml
from msr_stream.clips.encoding import Encoder, Features, Ndjson
from msr_stream.clips.mcap_file import Mcap

Format = Literal["ndjson", "geojson", "czml", "parquet", "mcap"]


def encoder(name: Format, header: Header) -> Encoder:
    """The encoder of a format."""
    if name == "parquet":
        from msr_stream.clips.parquet import Parquet  # noqa: PLC0415 - pyarrow takes 90 MB

        return Parquet(header)
    kinds: dict[str, type[Encoder]] = {"ndjson": Ndjson, "geojson": Features, "czml": Czml, "mcap": Mcap}
    return kinds[name](header)


#: The media types of all formats.
MEDIA_TYPES = (
    Ndjson.media_type, Features.media_type, Czml.media_type, "application/vnd.apache.parquet", Mcap.media_type,
)  # fmt: skip
