"""`exif`: what a camera writes into a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.model import NOTHING, Probe

NAMES = (
    "make", "model", "serial", "software", "captured", "orientation", "description",
    "artist", "owner", "copyright", "latitude", "longitude",
)  # fmt: skip
"""`captured` is a date and time; latitude and longitude are degrees, north and east positive."""


def facts(probe: Probe) -> Mapping[str, Any]:
    """The facts of a picture; None where it says nothing, and for all other files."""
    return dict.fromkeys(NAMES) | dict(probe.facts.get("exif", NOTHING))
