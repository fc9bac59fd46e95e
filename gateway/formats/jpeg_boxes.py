"""The boxes that the files of JPEG's later kinds consist of (ITU-T T.800 I.4, ISO/IEC 18181-2 clause 9)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from gateway.formats.bits import Incomplete, Malformed

MAX_BOXES = 10_000
"""More boxes than a picture has; a bound on the work that a hostile file can ask for."""

_MAX_SMALL = 1 << 20


def boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of each box between two offsets.

    Raises `Incomplete` for a box that reaches beyond them, and `Malformed` for what is no box.
    """
    for _ in range(MAX_BOXES):
        if start == end:
            return
        file.seek(start)
        head = file.read(min(16, end - start))
        if len(head) < 8:
            raise Incomplete(f"it ends within the header of a box, at byte {start:,}")
        kind, length, header = head[4:8], int.from_bytes(head[:4], "big"), 8
        if length == 1:
            length, header = int.from_bytes(head[8:16], "big"), 16
        elif length == 0:  # to the end of the file
            length = end - start
        if length < header or not all(0x20 <= each < 0x7F for each in kind):
            raise Malformed(f"there is no box at byte {start:,}, where one must stand")
        if start + length > end:
            raise Incomplete(f"its box at byte {start:,} says that it has {length:,} bytes")
        yield kind, start + header, start + length
        start += length
    raise Malformed(f"it has more than {MAX_BOXES:,} boxes")


def small(file: BinaryIO, start: int, end: int) -> bytes:
    """The content of a box that has a few thousand bytes at most; `Malformed` where it is large."""
    if end - start > _MAX_SMALL:
        raise Malformed(f"its box at byte {start:,} is larger than one of its kind can be")
    file.seek(start)
    return file.read(end - start)
