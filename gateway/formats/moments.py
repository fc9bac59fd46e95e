"""Times as files write them: with an offset from UTC, or without one."""

from __future__ import annotations

from datetime import timedelta, timezone

_FARTHEST = timedelta(hours=14)
"""No place on Earth is farther from UTC."""


def zone(sign: str, hours: str, minutes: str) -> timezone | None:
    """The zone at an offset from UTC; None when there is no such offset."""
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    if offset > _FARTHEST or int(minutes) > 59:
        return None
    return timezone(-offset if sign == "-" else offset)
