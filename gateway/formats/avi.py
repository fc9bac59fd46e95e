"""The chunks of an AVI file: is it whole, and how many pictures are in it?

Source: Microsoft, AVI RIFF File Reference; OpenDML AVI File Format Extensions 1.02 for more than one RIFF.
"""

from __future__ import annotations

from collections import Counter
from typing import BinaryIO

from gateway.formats.bits import Incomplete, Malformed

_CHUNKS = 20_000_000  # more than any recording has
_PICTURES = (b"dc", b"db")
_DEEPEST = 3  # lists in lists: the movie, and records in it


def read(file: BinaryIO, size: int) -> Counter[int]:
    """The number of coded pictures by stream in an AVI file of `size` bytes; dropped ones are left out.

    Raises `Incomplete` where the end is missing, and `Malformed` where chunks contradict each other.
    """
    return _Reader(file, size).pictures()


class _Reader:
    """Reads chunks, and stops at a number of them that no recording has."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        self._left = _CHUNKS
        self._pictures: Counter[int] = Counter()
        self._movies = 0

    def pictures(self) -> Counter[int]:
        """All of the file."""
        at = 0
        while at + 12 <= self._size:
            kind, end = self._chunk(at, self._size)
            if kind != b"RIFF" or self._bytes(at + 8, 4) not in (b"AVI ", b"AVIX"):
                break  # what stands behind the recording is no part of it
            self._list(at + 12, end, 0)
            at = end + (end - at) % 2
        if not self._movies:
            raise Incomplete("its movie (the movi list) is missing")
        return self._pictures

    def _list(self, at: int, limit: int, depth: int) -> None:
        """Reads the chunks of a list."""
        while at + 8 <= limit:
            kind, end = self._chunk(at, limit)
            if kind == b"LIST":
                name = self._bytes(at + 8, 4)
                self._movies += name == b"movi"
                if name in (b"movi", b"rec ") and depth < _DEEPEST:
                    self._list(at + 12, end, depth + 1)
            elif kind[2:] in _PICTURES and kind[:2].isdigit() and end > at + 8:
                self._pictures[int(kind[:2])] += 1
            at = end + (end - at) % 2

    def _chunk(self, at: int, limit: int) -> tuple[bytes, int]:
        """The kind of the chunk at an offset, and where it ends."""
        self._left -= 1
        if self._left < 0:
            raise Malformed("it consists of more chunks than a recording has")
        head = self._bytes(at, 8)
        kind, length = head[:4], int.from_bytes(head[4:], "little")
        end = at + 8 + length
        if not (kind.isascii() and kind.decode("ascii").isprintable()):
            raise Malformed(f"no chunk begins at byte {at:,}, where one should")
        if end > self._size:
            there = f"of which {self._size - at - 8:,} are there"
            raise Incomplete(f"its chunk at byte {at:,} has {length:,} bytes, {there}")
        if end > limit:
            raise Malformed(f"its chunk at byte {at:,} is larger than the one that holds it")
        return kind, end

    def _bytes(self, at: int, count: int) -> bytes:
        """Some bytes of the file."""
        self._file.seek(at)
        return self._file.read(count)
