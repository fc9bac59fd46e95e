"""`video`: what a video's container and stream say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.model import NOTHING, Probe

NAMES = (
    "codec", "profile", "level", "container", "width", "height", "frame_rate", "duration", "created",
)  # fmt: skip
"""`frame_rate` is in frames a second, `duration` in seconds, `created` a date and time."""


def facts(probe: Probe) -> Mapping[str, Any]:
    """The facts of a video; None where it says nothing, and for all other files."""
    return dict.fromkeys(NAMES) | dict(probe.facts.get("video", NOTHING))
