"""The marker segments of a JPEG stream (ITU-T T.81, annex B), read in constant memory.

The entropy-coded data between them are searched for the next marker, never held.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gateway.errors import Reject, Unfinished
from gateway.stream import CHUNK

SOI, EOI, SOS, DQT, DHT, DNL, DHP, COM, APP0, APP1, APP2, APP14 = (
    0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDC, 0xDE, 0xFE, 0xE0, 0xE1, 0xE2, 0xEE,
)  # fmt: skip
"""Codes of markers: the byte after FF."""

APPLICATION = range(APP0, 0xF0)
"""Codes of the segments that belong to applications: EXIF, colour profiles, thumbnails."""

_MAX_SEGMENTS = 65_536
"""More than any camera writes; a bound on the work that a hostile file can ask for."""

_MISPLACED = frozenset((*range(0xC0), *range(0xD0, SOI + 1)))
"""Codes that are reserved, or have no place between segments: restarts, another SOI."""

_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""The next marker in entropy-coded data: neither a stuffed FF, nor a restart marker, nor fill."""

BIT_STUFFED = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")
"""The same in data of JPEG-LS, where a zero bit follows each FF instead of a byte (ITU-T T.87 A.1)."""


JPEG_LS = 0xF7
"""Code of the frame header of JPEG-LS (ITU-T T.87 C.1.1)."""

FRAMES = frozenset(range(0xC0, 0xD0)) - {DHT, 0xC8, 0xCC} | {JPEG_LS}
"""Codes of all frame headers; C8 is reserved, CC conditions arithmetic coding, F7 is that of JPEG-LS."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A marker segment: the bytes of the file from `start`, fill bytes included, up to `end`.

    `data` are the parameters without their length. A scan's entropy-coded data follow its segment.
    """

    marker: int
    start: int
    end: int
    data: bytes


def segments(file: BinaryIO, path: Path, scan_end: re.Pattern[bytes] = _SCAN_END) -> Iterator[Segment]:
    """All segments of the first picture in a file after its SOI, up to and including its EOI.

    `scan_end` matches the marker behind entropy-coded data.
    Raises `Reject` for a picture that ends too soon or whose markers do not follow each other.
    """
    file.seek(2)
    for _ in range(_MAX_SEGMENTS):
        start = file.tell()
        marker = _marker(file, path)
        if marker in _MISPLACED:
            raise damaged(path, f"the marker FF{marker:02X} at byte {start:,} stands where none belongs")
        data = b"" if marker == EOI else _parameters(file, path)
        yield Segment(marker, start, file.tell(), data)
        if marker == EOI:
            return
        if marker == SOS:
            _skip_scan(file, path, scan_end)
    raise damaged(path, f"it has more than {_MAX_SEGMENTS:,} segments")


def first_frame(head: bytes) -> int | None:
    """The code of the frame header in the first bytes of a file; None where they end before it."""
    at = 2
    while at + 4 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if marker in FRAMES:
            return marker
        if marker == 0xFF:  # fill
            at += 1
        elif marker in _MISPLACED or marker in {EOI, SOS}:
            return None
        else:
            at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return None


def damaged(path: Path, what: str) -> Reject:
    """The refusal of a stream that breaks the rules of JPEG."""
    return Reject(f"{path} is a damaged JPEG picture: {what}. Export or copy it again from where it came")


def not_whole(path: Path) -> Reject:
    """The refusal of a stream without an end."""
    return Unfinished(f"{path} is not whole: the file ends before the JPEG picture does. Copy it again")


def _marker(file: BinaryIO, path: Path) -> int:
    """The code of the marker that starts here, fill bytes before it skipped (T.81 B.1.1.2)."""
    start = file.tell()
    lead = _exactly(file, 2, path)
    if lead[0] != 0xFF:
        raise damaged(path, f"there is no marker at byte {start:,}, where one must stand")
    if lead[1] != 0xFF:
        return lead[1]
    while chunk := file.read(CHUNK):
        code = chunk.lstrip(b"\xff")
        if code:
            file.seek(1 - len(code), 1)
            return code[0]
    raise not_whole(path)


def _parameters(file: BinaryIO, path: Path) -> bytes:
    """The parameters of a segment, whose length counts itself (T.81 B.1.1.4)."""
    length = int.from_bytes(_exactly(file, 2, path), "big")
    if length < 2:
        raise damaged(path, f"the segment before byte {file.tell():,} says an impossible length")
    return _exactly(file, length - 2, path)


def _skip_scan(file: BinaryIO, path: Path, scan_end: re.Pattern[bytes]) -> None:
    """Moves from the first byte of entropy-coded data to the marker after them."""
    carried = b""
    while chunk := file.read(CHUNK):
        data = carried + chunk
        if found := scan_end.search(data):
            file.seek(found.start() - len(data), 1)
            return
        carried = b"\xff" if data.endswith(b"\xff") else b""
    raise not_whole(path)


def _exactly(file: BinaryIO, length: int, path: Path) -> bytes:
    """So many bytes, which must be there."""
    data = file.read(length)
    if len(data) < length:
        raise not_whole(path)
    return data
