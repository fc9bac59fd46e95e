"""The day that a path says: `4711001_20240531_L.jpg`, `4711001/2024-05-31 wound/IMG_0042.JPG`.

People write days into names by habit, and where they do, it is nearly always there. Everywhere else in a
name eight digits may be a patient's number or a birth date.
"""

from __future__ import annotations

import re
from datetime import date

from gateway.model import Source

EARLIEST = 1990
"""No digital picture, video or document is older."""

_DAY = re.compile(
    r"(?:(?P<year>[12][0-9]{3})(?P<between>[-._]?)(?P<month>[0-9]{2})(?P=between)(?P<day>[0-9]{2})"
    r"|(?P<day2>[0-9]{2})[.](?P<month2>[0-9]{2})[.](?P<year2>[12][0-9]{3}))(?![0-9])"
)


def day_of(source: Source) -> date | None:
    """The day that begins a folder or file name below the first folder, or stands behind a first underscore.

    It is written 20240531, 2024-05-31, 2024.05.31, 2024_05_31 or 31.05.2024. That of the file name comes
    first, then that of the innermost folder.
    """
    *folders, name = source.relative.split("/")
    parts = [(part, number > 0) for number, part in enumerate((*folders, name))]
    for part, may_begin in reversed(parts):
        found = (_read(part) if may_begin else None) or _read(part.partition("_")[2])
        if found:
            return found
    return None


def _read(text: str) -> date | None:
    match = _DAY.match(text)
    if match is None:
        return None
    year, month, day = (int(match[name] or match[f"{name}2"]) for name in ("year", "month", "day"))
    try:
        found = date(year, month, day)
    except ValueError:
        return None
    return found if year >= EARLIEST else None
